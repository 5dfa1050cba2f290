import numpy as np
import pytest
import torch

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import Augmentation
from segnet.data.augmentation.augmentation import cut
from segnet.data.augmentation.effects import gaussian_weights, noise
from segnet.data.batch import Collate, TrainingSample

EFFECTS = {"grey": 1.0, "blur": 2.0, "noise": 0.1, "cut_out": 1.0}
PRESETS = ("none", "light", "standard", "strong")
SMALL = ["data=shapes", "data.size=[16,24]", "data.images={train:6,val:1,test:1}", "data.batch_size=3"]


def sample(height: int, width: int, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(height * width)
    image = random.integers(0, 256, (channels, height, width), np.uint8)
    return image, random.integers(0, 3, (height, width)).astype(np.uint8)


def batch_of(augment: Augmentation, image, label, seeds):
    draws = [augment.draw(label.shape, np.random.default_rng(seed)) for seed in seeds]
    return Collate(augment)([TrainingSample(*cut(image, label, draw), n) for n, draw in enumerate(draws)])


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 5), (30, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_effect_depends_on_the_stream_alone_and_keeps_labels(name, shape, channels):
    image, label = sample(*shape, channels)
    augment = Augmentation(255, [0.5] * channels, **{name: EFFECTS[name]})
    together = batch_of(augment, image, label, range(4)).augment()
    for seed in range(4):
        alone = batch_of(augment, image, label, [seed]).augment()
        assert torch.equal(alone["image"][0], together["image"][seed])
        assert torch.equal(alone["label"][0], together["label"][seed])
    kept = together["label"] != 255
    assert torch.equal(together["label"][kept], torch.from_numpy(label).expand(4, *shape)[kept])
    assert bool(kept.all()) == (name != "cut_out")
    if shape == (30, 40):
        changes = (together["image"] != torch.from_numpy(image)).flatten(1).any(1)
        assert changes.all() == (channels == 3 or name != "grey")


@pytest.mark.parametrize("name", EFFECTS)
def test_done_at_once_as_on_a_gpu_it_is_the_same_up_to_rounding(name):
    image, label = sample(30, 40)
    batch = batch_of(Augmentation(255, [0.5] * 3, **{name: EFFECTS[name]}), image, label, range(4))
    images, labels = batch._augment(slice(None), batch.image.shape[-2:], max(batch.radii))
    one_by_one = batch.augment()
    assert torch.equal(labels, one_by_one["label"])
    assert (images.int() - one_by_one["image"].int()).abs().max() <= 1


def test_switched_on_they_leave_all_else_that_is_drawn():
    plain = Augmentation(255, [0] * 3, (20, 20), (0.5, 2), 0.5, 20, 0.3, paste=0.5, paste_classes=[1])
    changed = Augmentation(255, [0] * 3, (20, 20), (0.5, 2), 0.5, 20, 0.3, paste=0.5, paste_classes=[1], **EFFECTS)
    for seed in range(20):
        one, two = np.random.default_rng(seed), np.random.default_rng(seed)
        first, second = plain.draw((40, 60), one), changed.draw((40, 60), two)
        for before, after in zip(first[:-1], second[:-1], strict=True):
            assert np.array_equal(before, after)
        assert plain.pastes(one) == changed.pastes(two)
        fewer = Augmentation(255, [0] * 3, (20, 20), blur=2.0).draw((40, 60), np.random.default_rng(seed))
        assert fewer.effects[1] == second.effects[1]  # the blur, whatever else is on


def test_grey_has_equal_channels_and_as_often_as_told():
    image, label = sample(6, 8)
    images = batch_of(Augmentation(255, [0] * 3, grey=0.3), image, label, range(300)).augment()["image"]
    grey = (images == images[:, :1]).flatten(1).all(1)
    assert torch.equal(images[~grey], torch.from_numpy(image).expand_as(images)[~grey])
    assert 0.2 < grey.float().mean() < 0.4


def test_blur_keeps_the_sum_and_has_the_deviation_of_its_gaussian():
    sigma = torch.tensor([0.0, 0.5, 1.0, 2.0])
    weights = gaussian_weights(sigma, 6)
    assert weights[0].tolist() == [1] + [0] * 6
    both_sides = weights[:, :1] + 2 * weights[:, 1:].sum(1, keepdim=True)
    assert both_sides == pytest.approx(torch.ones(4, 1))
    variance = 2 * (weights * torch.arange(7) ** 2).sum(1)
    assert variance[2:].sqrt().tolist() == pytest.approx([1.0, 2.0], rel=0.02)
    flat = np.full((3, 20, 20), 77, np.uint8)
    blurred = batch_of(Augmentation(255, [0] * 3, blur=2.0), flat, flat[0] * 0, range(3)).augment()
    assert (blurred["image"] == 77).all()


def test_noise_is_nearly_gaussian_and_without_a_pattern():
    drawn = noise((4, 3, 64, 64), torch.tensor([0, 1, 2, 2**24 - 1])).double()
    assert drawn.abs().max() <= 2 * 3**0.5
    assert drawn.mean((1, 2, 3)).abs().max() < 0.04
    assert drawn.std((1, 2, 3)).tolist() == pytest.approx([1] * 4, abs=0.03)
    flat = drawn.flatten(1)
    assert torch.corrcoef(flat).fill_diagonal_(0).abs().max() < 0.04
    for step in (1, 64, 64 * 64):
        assert torch.corrcoef(torch.stack([flat[1, step:], flat[1, :-step]]))[0, 1].abs() < 0.04


def test_cut_out_fills_one_rectangle_and_ignores_its_label():
    image, label = np.full((3, 40, 50), 9, np.uint8), np.zeros((40, 50), np.uint8)
    got = batch_of(Augmentation(7, [1.0, 0.0, 0.2], cut_out=0.5), image, label, range(100)).augment()
    count = 0
    for picture, labels in zip(got["image"], got["label"], strict=True):
        rows, columns = torch.nonzero(labels == 7, as_tuple=True)
        assert (picture[:, labels == 0] == 9).all()
        if len(rows) == 0:
            continue
        count += 1
        height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
        assert height * width == len(rows)
        assert 4 <= height <= 16
        assert 5 <= width <= 20
        assert picture[:, labels == 7].unique(dim=1).flatten().tolist() == [255, 0, 51]
    assert 35 < count < 65


@pytest.mark.parametrize("workers", [0, 2])
def test_a_preset_comes_to_the_same_bits_with_any_number_of_workers_and_from_the_middle(workers):
    data = data_from_config(compose([*SMALL, "augmentation=strong", f"data.num_workers={workers}"]))
    alone = data_from_config(compose([*SMALL, "augmentation=strong", "data.num_workers=0"]))
    whole = [batch["image"] for batch in alone.training_batches(1)]
    loader = data.train_loader()
    loader.sampler.start_at(1, 1)
    assert torch.equal(next(iter(loader)).augment()["image"], whole[1])


def test_presets_set_the_same_settings_and_leave_the_crop():
    before = compose(["data=camvid"]).data.augmentation
    found = {name: compose(["data=camvid", f"augmentation={name}"]).data.augmentation for name in PRESETS}
    assert all(preset.crop == before.crop and set(preset) == set(before) for preset in found.values())
    neutral = Augmentation(255, [0] * 3)
    image, label = sample(12, 15)
    settings = {name: value for name, value in found["none"].items() if name in {*EFFECTS, "scale", "gamma", "hue"}}
    got = batch_of(Augmentation(255, [0] * 3, **settings), image, label, [3]).augment()
    assert np.array_equal(got["image"][0], image)
    assert found["none"].horizontal_flip == 0
    assert not any(neutral.effects)
    of_experiment = compose(["experiment=camvid_cpu", "augmentation=light"]).data.augmentation
    assert (of_experiment.brightness, of_experiment.crop) == (0.1, [360, 480])
    chosen = compose(["data=camvid", "augmentation=light", "data.augmentation.rotation=5"]).data.augmentation
    assert (chosen.rotation, chosen.brightness) == (5, 0.1)
