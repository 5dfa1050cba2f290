"""Every effect: a function of the sample's stream, off by default, any size, labels of known classes alone."""

import numpy as np
import pytest
import torch

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import Augmentation
from segnet.data.augmentation.effects import NODES, Effects, apply_effects, compress, displace, hide
from segnet.data.batch import Collate, TrainingSamples
from segnet.errors import UserError
from tests.data.augmentation.test_augmentation import marked_sample

EFFECTS = {"distortion": 0.1, "blur": 2.0, "noise": 0.1, "jpeg": 10, "cutout": 0.6, "grey": 1.0}
LABELS_TOO = {"distortion", "cutout"}
FILL = [0.5, 0.5, 0.5]


class OneSample:
    """A split of one image ``(C, H, W)`` and its label."""

    ids = ("a",)

    def __init__(self, image, label):
        self.image, self.label = image, label

    def load(self, index, random):
        return self.image.transpose(1, 2, 0), self.label


def augmented(augment, image, label, epoch):
    """The sample in an epoch, all the way."""
    samples = TrainingSamples(OneSample(image, label), augment, scale=1.0, seed=0)
    batch = Collate(augment)([samples[epoch, 0]]).augment()
    return batch["image"][0], batch["label"][0]


def textured(height: int, width: int, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (channels, height, width), np.uint8), marked_sample(height, width)[1]


def with_effect(name: str, **others: object) -> Augmentation:
    return Augmentation(9, FILL, effect_probability=1.0, **{name: EFFECTS[name]}, **others)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_depends_on_the_stream_alone(name):
    image, label = textured(40, 60)
    one, two, other = (augmented(with_effect(name), image, label, seed) for seed in (3, 3, 4))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    assert not np.array_equal(one[0], image)
    if name != "grey":
        assert not torch.equal(one[0], other[0])


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 20)])
@pytest.mark.parametrize("crop", [None, (1, 1), (24, 50)])
def test_any_size_keeps_to_known_labels(name, size, crop):
    image, label = textured(*size)
    for seed in range(4):
        new_image, new_label = augmented(with_effect(name, crop=crop, scale=(0.5, 2.0)), image, label, seed)
        assert tuple(new_image.shape) == (3, *(crop or size))
        assert set(new_label.unique().tolist()) <= {0, 1, 9}
        plain = augmented(Augmentation(9, FILL, crop=crop, scale=(0.5, 2.0)), image, label, seed)[1]
        if name not in LABELS_TOO:
            assert torch.equal(new_label, plain)


@pytest.mark.parametrize("name", EFFECTS)
def test_never_happening_it_changes_nothing(name):
    image, label = textured(20, 30)
    settings = {"grey": 0.0} if name == "grey" else {name: EFFECTS[name]}
    new_image, new_label = augmented(Augmentation(9, FILL, effect_probability=0.0, **settings), image, label, 1)
    assert np.array_equal(new_image, image)
    assert np.array_equal(new_label, label)


@pytest.mark.parametrize("name", EFFECTS)
def test_one_that_is_switched_on_leaves_all_other_draws(name):
    others = {key: value for key, value in EFFECTS.items() if key != name}
    everything = Augmentation(9, FILL, (20, 20), (0.5, 2), 0.5, 20, 0.3, effect_probability=0.5, **EFFECTS)
    without = Augmentation(9, FILL, (20, 20), (0.5, 2), 0.5, 20, 0.3, effect_probability=0.5, **others)
    fields = {"distortion": "displacement"}
    for seed in range(20):
        streams = [np.random.default_rng(seed) for _ in range(2)]
        one, two = (
            augment.draw((40, 60), stream) for augment, stream in zip((everything, without), streams, strict=True)
        )
        assert np.array_equal(one.matrix, two.matrix)
        assert np.array_equal(one.colour, two.colour)
        assert streams[0].random() == streams[1].random()  # and what is drawn after it
        for field in Effects._fields:
            if field != fields.get(name, name):
                assert np.array_equal(getattr(one.effects, field), getattr(two.effects, field))


def test_effects_happen_as_often_as_told():
    augment = Augmentation(9, FILL, effect_probability=0.3, **EFFECTS)
    drawn = [augment.draw((40, 60), np.random.default_rng(seed)).effects for seed in range(400)]
    for happened in (
        [effects.blur > 0 for effects in drawn],
        [effects.noise > 0 for effects in drawn],
        [effects.displacement is not None for effects in drawn],
        [effects.jpeg < 100 for effects in drawn],
    ):
        assert 0.22 < np.mean(happened) < 0.38
    assert all(effects.grey for effects in drawn)


def test_a_blur_has_its_variance_and_keeps_the_sum():
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 255
    blurred = apply_effects(point.clone(), Effects(blur=2.0))[0, 0] / 255
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    places = torch.arange(41) - 20
    assert (blurred.sum(1) * places**2).sum() == pytest.approx(4, rel=0.03)
    flat = torch.full((1, 3, 5, 4), 77.0)
    assert torch.allclose(apply_effects(flat.clone(), Effects(blur=5.0)), flat, atol=1e-3)


def test_noise_has_its_deviation_and_stays_in_range():
    noisy = apply_effects(torch.full((1, 3, 60, 60), 128.0), Effects(noise=20.0, noise_seed=5))
    assert noisy.std() == pytest.approx(20, rel=0.05)
    assert noisy.mean() == pytest.approx(128, abs=1)
    bright = apply_effects(torch.full((1, 1, 20, 20), 250.0), Effects(noise=50.0))
    assert bright.max() == 255
    assert not torch.equal(noisy, apply_effects(torch.full((1, 3, 60, 60), 128.0), Effects(noise=20.0, noise_seed=6)))


def test_grey_is_the_luma_of_rec_601():
    pixel = torch.tensor([100.0, 50.0, 200.0]).view(1, 3, 1, 1)
    grey = apply_effects(pixel, Effects(grey=True)).flatten().tolist()
    assert grey == pytest.approx([0.2989 * 100 + 0.587 * 50 + 0.114 * 200] * 3)
    single = torch.full((1, 1, 2, 2), 60.0)
    assert torch.equal(apply_effects(single.clone(), Effects(grey=True)), single)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_loses_more_at_a_lower_quality(channels):
    image = textured(24, 30, channels)[0]
    lost = [np.abs(compress(image, quality).astype(int) - image).mean() for quality in (100, 90, 10)]
    assert lost[0] == 0 < lost[1] < lost[2]
    assert compress(image, 10).shape == image.shape


def test_what_is_cut_out_is_filled_and_ignored_and_the_rest_kept():
    images, labels = torch.full((2, 3, 6, 8), 7, dtype=torch.uint8), torch.zeros(2, 6, 8, dtype=torch.uint8)
    hide(images, labels, [Effects(cutout=(1, 2, 3, 4)), Effects()], [10.2, 20, 30], 9)
    hidden = labels[0] == 9
    assert hidden.sum() == 12
    assert hidden[1:4, 2:6].all()
    assert images[0][:, hidden].unique(dim=1).flatten().tolist() == [10, 20, 30]
    assert (images[0][:, ~hidden] == 7).all()
    assert (images[1] == 7).all()
    assert (labels[1] == 0).all()


def test_displacements_meet_their_nodes_and_are_linear_between():
    nodes = torch.zeros(1, 2, NODES, NODES)
    nodes[0, 0, 1, 2], nodes[0, 1, 4, 4] = 8.0, -2.0
    along_y, along_x = displace(nodes, (17, 33))
    assert along_y[0, 4, 16] == 8
    assert along_y[0, 2, 16] == along_y[0, 4, 12] == 4
    assert along_x[0, 16, 32] == -2
    assert along_x[0, 13:, 25:].count_nonzero() == along_x[0].count_nonzero() == 4 * 8


def test_a_distortion_moves_image_and_label_together():
    image, label = marked_sample(40, 60)
    moved = 0
    for seed in range(10):
        new_image, new_label = augmented(with_effect("distortion"), image, label, seed)
        decided = ((new_image[0] < 5) | ((new_image[0] > 195) & (new_image[0] < 205))) & (new_label != 9)
        assert ((new_image[0] > 100) == (new_label == 1))[decided].float().mean() > 0.98
        moved += (new_label != torch.from_numpy(label)).sum().item()
    assert moved > 100


def test_batches_done_at_once_are_those_done_one_by_one():
    """A GPU takes the one way and the CPU the other; here both on the CPU."""
    settings = ["data=shapes", "data.images={train:8,val:1,test:1}", "augmentation=strong", "data.size=[32,40]"]
    settings.append("data.augmentation.effect_probability=0.6")
    loader = data_from_config(compose([*settings, "data.augmentation.crop=[24,24]"])).train_loader()
    batch = loader.collate_fn([loader.dataset[1, index] for index in range(8)])
    assert batch.displacement is not None
    one_by_one = batch.augment()
    images, labels = batch._augment(slice(None), batch.image.shape[-2:], max(batch.radii))
    assert torch.equal(one_by_one["label"], labels)
    assert (one_by_one["image"].int() - images.int()).abs().float().mean() < 0.1


@pytest.mark.parametrize(
    ("preset", "workers"), [("none", 0), ("light", 0), ("standard", 0), ("strong", 0), ("strong", 1)]
)
def test_presets_depend_on_seed_epoch_and_sample_alone(preset, workers):
    settings = ["data=shapes", "data.images={train:4,val:1,test:1}", "data.size=[16,24]", "data.batch_size=2"]
    data = data_from_config(compose([*settings, f"augmentation={preset}", f"data.num_workers={workers}"]))
    loader = data_from_config(compose([*settings, f"augmentation={preset}"])).train_loader()
    for batch in data.training_batches(2):
        for place, index in enumerate(batch["index"].tolist()):
            alone = loader.collate_fn([loader.dataset[2, index]]).augment()
            assert torch.equal(alone["image"][0], batch["image"][place])
            assert torch.equal(alone["label"][0], batch["label"][place])
            if preset == "none":
                image, label = loader.dataset.dataset.load(index, np.random.default_rng(0))
                assert np.array_equal(batch["image"][place].permute(1, 2, 0), image)
                assert np.array_equal(batch["label"][place], label)


def test_a_preset_keeps_the_crop_of_the_data_set_and_a_setting_wins_over_it():
    config = compose(["data=camvid", "augmentation=strong", "data.augmentation.blur=0.5"]).data.augmentation
    assert (list(config.crop), config.blur, config.jpeg) == ([360, 480], 0.5, 25)
    assert compose(["data=camvid"]).data.augmentation.blur == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("effect_probability", 1.5, "a number from 0 to 1"),
        ("distortion", 0.5, "a number from 0 to 0.2"),
        ("blur", -1, "a number from 0 to 20"),
        ("noise", 2, "a number from 0 to 1"),
        ("jpeg", 0, "a quality from 1 to 100, an integer; 100 is none"),
        ("jpeg", 50.5, "a quality from 1 to 100, an integer; 100 is none"),
        ("cutout", 1.1, "a number from 0 to 1"),
        ("grey", -0.1, "a number from 0 to 1"),
    ],
)
def test_values_out_of_range_are_sentences(name, value, message):
    with pytest.raises(UserError, match=rf"data\.augmentation\.{name}={value} is not allowed: give {message}"):
        Augmentation(9, FILL, **{name: value})
