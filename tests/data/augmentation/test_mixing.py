import numpy as np
import pytest
import torch

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import ClassMix, CutMix
from segnet.errors import UserError

SMALL = ["data=shapes", "data.size=[16,24]", "data.images={train:6,val:1,test:1}", "data.batch_size=3"]
VARIED = ["data.augmentation.scale=[0.7,1.5]", "data.augmentation.brightness=0.3"]
PASTING = ["data.augmentation.paste=0.6", "data.augmentation.paste_classes=[1]"]
KINDS = ["cutmix", "classmix"]


def module(*overrides: str):
    return data_from_config(compose([*SMALL, *VARIED, *overrides]))


def test_a_rectangle_has_its_area_and_lies_inside():
    mix = CutMix(area=(0.2, 0.4))
    sizes, shapes = [], set()
    for seed in range(300):
        top, left, bottom, right = mix.draw((40, 50), np.random.default_rng(seed))
        assert 0 <= top < bottom <= 40
        assert 0 <= left < right <= 50
        sizes.append((bottom - top) * (right - left) / 2000)
        shapes.add(((bottom - top) / 40 > (right - left) / 50).item())
    assert min(sizes) == pytest.approx(0.2, abs=0.03)
    assert max(sizes) == pytest.approx(0.4, abs=0.03)
    assert shapes == {True, False}
    chosen = mix.choose(torch.zeros(5, 6), torch.tensor([1.0, 2.0, 4.0, 5.0]))
    expected = torch.zeros(5, 6, dtype=torch.bool)
    expected[1:4, 2:5] = True
    assert torch.equal(chosen, expected)
    assert CutMix(area=(1, 1)).draw((3, 4), np.random.default_rng(0)).tolist() == [0, 0, 3, 4]


def test_half_of_the_classes_are_taken_and_nothing_ignored():
    mix = ClassMix(ignore_index=255)
    label = torch.tensor([[0, 0, 3], [7, 7, 255], [9, 200, 255]], dtype=torch.uint8)
    seen = set()
    for seed in range(100):
        drawn = torch.from_numpy(mix.draw((3, 3), np.random.default_rng(seed)).astype(np.float32))
        chosen = mix.choose(label, drawn)
        classes = frozenset(label[chosen].tolist())
        assert torch.equal(chosen, torch.isin(label, torch.tensor(list(classes))))  # each of them as a whole
        seen.add(classes)
    assert {len(classes) for classes in seen} == {3}  # of five
    assert len(seen) == 10  # every choice of three
    assert not mix.choose(torch.full((2, 2), 255), torch.arange(256.0)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_another_sample_covers_this_one_label_and_image_alike(kind):
    mixing, plain = module(f"mix={kind}").train_loader(), module().train_loader()
    changed = 0
    for index in range(6):
        sample = mixing.dataset[2, index]
        got = mixing.collate_fn([sample]).augment()
        alone = plain.collate_fn([plain.dataset[2, index]]).augment()
        if sample.mixed is None:
            assert torch.equal(got["image"], alone["image"])
            continue
        source = plain.collate_fn([sample.mixed]).augment()
        drawn = torch.from_numpy(sample.mixing.astype(np.float32))
        chosen = mixing.dataset.mix.choose(source["label"][0], drawn)
        assert torch.equal(got["label"], torch.where(chosen, source["label"], alone["label"]))
        assert torch.equal(got["image"], torch.where(chosen, source["image"], alone["image"]))
        changed += 1
    assert 0 < changed < 6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_mixed_depends_on_the_sample_alone(kind, workers):
    chosen = [f"mix={kind}", *PASTING, "data.epoch_samples=12"]
    loader = module(*chosen).train_loader()
    loader.sampler.set_epoch(1)
    keys = iter(list(loader.sampler))
    for batch in module(*chosen, f"data.num_workers={workers}").training_batches(1):
        assert len(batch["image"]) == len(batch["label"]) == len(batch["index"]) == 3
        for image in batch["image"]:
            assert torch.equal(loader.collate_fn([loader.dataset[next(keys)]]).augment()["image"][0], image)
    assert next(keys, None) is None


@pytest.mark.parametrize("kind", KINDS)
def test_processes_share_the_batches_of_a_single_one(kind):
    chosen = [f"mix={kind}", "data.mix.probability=0.8", *PASTING]
    whole = next(iter(module(*chosen).training_batches(0)))
    parts = [next(iter(module(*chosen).training_batches(0, rank, 3))) for rank in range(3)]
    for name in ("image", "label"):
        assert torch.equal(whole[name], torch.cat([part[name] for part in parts]))


def test_objects_are_pasted_on_top_of_what_is_mixed():
    both = module("mix=cutmix", "data.mix.probability=1", "data.augmentation.paste=1", PASTING[1]).train_loader()
    for index in range(6):
        sample = both.dataset[0, index]
        label = both.collate_fn([sample]).augment()["label"][0]
        pasted = both.collate_fn([sample.pasted._replace(pasted=None, mixed=None, mixing=None)]).augment()["label"][0]
        assert (label[pasted == 1] == 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_done_at_once_it_is_the_same(kind):
    """A GPU takes the one way and the CPU the other; here both on the CPU."""
    loader = module(f"mix={kind}", "data.mix.probability=1", *PASTING).train_loader()
    batch = loader.collate_fn([loader.dataset[0, index] for index in range(3)])
    assert (len(batch), list(batch.mixed)) == (3, [0, 1, 2])
    images, labels = batch._augment(slice(None), batch.image.shape[-2:], max(batch.radii))
    batch._mix(images, labels)
    for source, target in enumerate(batch.targets, start=3):
        batch.augmentation.paste_objects(images[source], labels[source], images[target], labels[target])
    one_by_one = batch.augment()
    assert torch.equal(one_by_one["label"], labels[:3])
    assert (one_by_one["image"].int() - images[:3].int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["mix=cutmix", "data.mix.probability=2"], "data.mix.probability=2 is not allowed: give a number from 0 to 1"),
        (["mix=classmix", "data.mix.probability=-1"], "data.mix.probability=-1 is not allowed"),
        (["mix=cutmix", "data.mix.area=[0,1]"], r"data.mix.area=\[0,1\] is not allowed: give \[LOW,HIGH\]"),
    ],
)
def test_what_cannot_be_is_refused(overrides, message):
    with pytest.raises(UserError, match=message):
        module(*overrides)
