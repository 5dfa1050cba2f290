"""Transforms of torchvision's, by config."""

import importlib

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from segnet.build import data_from_config
from segnet.config import compose
from segnet.config_values import check_values
from segnet.data import Augmentation
from segnet.data.augmentation.library import apply_transforms
from segnet.errors import UserError
from segnet.trusted_classes import OTHERS

SMALL = ["data=shapes", "data.size=[16,24]", "data.images={train:6,val:1,test:1}", "data.batch_size=3"]
V2 = "torchvision.transforms.v2"
TURNED = f"{{_target_:{V2}.RandomAffine,degrees:30,translate:[0.2,0.2]}}"
RECOLOURED = f"{{_target_:{V2}.RandomApply,p:0.5,transforms:[{{_target_:{V2}.ColorJitter,brightness:0.5}}]}}"


def module(*transforms: str, more=()):
    return data_from_config(compose([*SMALL, *more, f"data.augmentation.transforms=[{','.join(transforms)}]"]))


def marked_sample():
    """An image that shows its own label: 40 times the class."""
    label = np.random.default_rng(0).integers(0, 5, (6, 8)).repeat(5, 0).repeat(5, 1).astype(np.uint8)
    image = np.repeat(40 * label[..., None] + 20, 3, axis=2)
    return image.astype(np.uint8), label


@pytest.mark.parametrize(
    "transform",
    [
        v2.RandomAffine(40, translate=(0.2, 0.2), shear=10),
        v2.RandomAffine(40, fill=1),
        v2.RandomRotation(40, fill=2),
        v2.RandomPerspective(p=1.0),
        v2.ElasticTransform(alpha=60.0),
        v2.RandomResizedCrop((20, 25), interpolation=v2.InterpolationMode.NEAREST),
        v2.RandomZoomOut(fill=7, p=1.0),
        v2.Compose([v2.RandomHorizontalFlip(p=1.0), v2.Pad(3)]),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_labels_move_with_images_and_what_is_filled_is_ignored(transform):
    image, label = marked_sample()
    ignored = 0
    for seed in range(10):
        moved, moved_label = apply_transforms([transform], image, label, 9, seed)
        assert moved.dtype == moved_label.dtype == np.uint8
        assert moved.shape == (*moved_label.shape, 3)
        assert set(np.unique(moved_label)) <= {0, 1, 2, 3, 4, 9}
        inside = moved_label != 9
        agrees = np.abs(moved[..., 0].astype(int) - (40 * moved_label.astype(int) + 20)) < 20
        assert agrees[inside].mean() > 0.8  # but for interpolation at edges
        ignored += (~inside).sum()
    assert ignored > 0 or isinstance(transform, v2.RandomResizedCrop)
    assert np.array_equal(image, marked_sample()[0])


def test_the_seed_decides_and_nothing_else_is_touched():
    image, label = marked_sample()
    transforms = [v2.RandomPerspective(p=0.7), v2.GaussianNoise(), v2.RandomPhotometricDistort()]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = apply_transforms(transforms, image, label, 9, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    two, other = (apply_transforms(transforms, image, label, 9, seed) for seed in (3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_transformed_sample_depends_on_the_sample_alone(workers):
    more = ["data.augmentation.paste=0.5", "data.augmentation.paste_classes=[1]", "mix=cutmix"]
    loader, plain = module(TURNED, RECOLOURED, more=more).train_loader(), module(more=more).train_loader()
    for batch in module(TURNED, RECOLOURED, more=[*more, f"data.num_workers={workers}"]).training_batches(1):
        for index, image in zip(batch["index"].tolist(), batch["image"], strict=True):
            sample, untransformed = loader.dataset[1, index], plain.dataset[1, index]
            assert torch.equal(loader.collate_fn([sample]).augment()["image"][0], image)
            assert not np.array_equal(sample.image, untransformed.image)
            assert np.array_equal(sample.draw.colour, untransformed.draw.colour)  # all else is drawn as it was
            assert (sample.mixed is None) == (untransformed.mixed is None)


def test_they_come_before_the_crop_and_may_change_the_size():
    data = module(f"{{_target_:{V2}.Resize,size:[40,60]}}")
    assert {tuple(batch["label"].shape) for batch in data.training_batches(0)} == {(3, 40, 60)}
    data = module(f"{{_target_:{V2}.Resize,size:[40,60]}}", more=["data.augmentation.crop=[10,12]"])
    assert {tuple(batch["label"].shape) for batch in data.training_batches(0)} == {(3, 10, 12)}


def test_an_image_alone_is_what_evaluation_sees():
    whole, plain = (next(iter(data.eval_loader("val")))["image"] for data in (module(TURNED), module()))
    assert torch.equal(whole, plain)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (v2.Normalize([0.5] * 3, [0.2] * 3), r"Normalize fails on an image and its label \(.*\): change or remove it"),
        (v2.RandAugment(), r"RandAugment fails on an image and its label \(.*Mask.*\): change or remove it"),
        (v2.Grayscale(), "Grayscale does not return an image of bytes with 3 channels and a label of its size: remove"),
        (v2.ToDtype(torch.float32, scale=True), "ToDtype does not return an image of bytes with 3 channels"),
        (v2.FiveCrop(4), r"FiveCrop fails on an image and its label \(.*Mask.*\): change or remove it"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_does_not_fit_is_refused_by_name(transform, message):
    with pytest.raises(UserError, match=f"data.augmentation.transforms: {message}"):
        apply_transforms([transform], *marked_sample(), 9, 0)


@pytest.mark.parametrize("given", [[3], "RandomAffine", [{"_target": "x"}]])
def test_what_is_no_list_of_transforms_is_refused(given):
    with pytest.raises(
        UserError, match=r"data.augmentation.transforms=.* is not allowed: give a list of transforms, such"
    ):
        Augmentation(255, [0, 0, 0], transforms=given)


@pytest.mark.parametrize(
    "transform",
    [
        "RandomAffine,degrees:10,translate:[0.1,0.1],scale:[0.9,1.1],shear:[5,5],fill:0,interpolation:2",
        "RandomRotation,degrees:[-10,10.5]",
        "RandomResizedCrop,size:16,scale:[0.5,1.0]",
        "ColorJitter,brightness:0.2,hue:[-0.1,0.1]",
        "GaussianBlur,kernel_size:3,sigma:[0.1,1.0]",
        "RandomErasing,p:0.5,value:0",
        "ElasticTransform,alpha:10.0,sigma:1.0",
        f"RandomChoice,transforms:[{TURNED},{RECOLOURED}],p:[1,2]",
    ],
)
def test_settings_as_a_command_gives_them_are_accepted(transform):
    config = compose([*SMALL, f"data.augmentation.transforms=[{{_target_:{V2}.{transform}}}]"])
    check_values(config)
    (batch, _) = data_from_config(config).training_batches(0)
    assert batch["image"].dtype == torch.uint8


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("RandomAffine", r"RandomAffine cannot be built from its settings \(.*'degrees'\): change them"),
        ("RandomAffine,degrees:-3", r"RandomAffine cannot be built from its settings \(.*positive.*\): change them"),
        (
            "RandomAffine,degrees:x",
            r"data\.augmentation\.transforms\.0\.degrees=x is not allowed: give a number",
        ),
        ("RandomAffine,angle:3", r"RandomAffine takes no data\.augmentation\.transforms\.0\.angle: did you mean"),
        ("RandomAfine", r"_target_=torchvision\.transforms\.v2\.RandomAfine is not there"),
    ],
)
def test_settings_that_do_not_fit_are_refused(transform, message):
    config = compose([*SMALL, f"data.augmentation.transforms=[{{_target_:{V2}.{transform}}}]"])
    with pytest.raises(UserError, match=message):
        [step(config) for step in (check_values, data_from_config)]


def test_runs_may_name_all_of_them_that_take_bytes():
    listed = {name.rpartition(".")[2] for name in OTHERS if name.startswith(V2)}
    assert "Lambda" not in listed
    for name in listed:
        assert issubclass(getattr(importlib.import_module(V2), name), v2.Transform | v2.Compose), name
