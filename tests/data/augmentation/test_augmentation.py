import numpy as np
import pytest
import torch

from segnet.data import Augmentation
from segnet.data.augmentation.augmentation import cut
from segnet.data.batch import Collate, TrainingSample

SEEDS = range(20)


def marked_sample(height: int = 40, width: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """An image that shows its own label: the left half 0, the right half 200, the label 0 and 1."""
    label = np.zeros((height, width), np.uint8)
    label[:, width // 2 :] = 1
    return np.repeat(label[None] * np.uint8(200), 3, axis=0), label


def augmented(augment, image, label, seed, base_scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """One sample all the way, as a batch of one."""
    draw = augment.draw(label.shape, np.random.default_rng(seed), base_scale)
    batch = Collate(augment)([TrainingSample(*cut(image, label, draw), 0)]).augment()
    return batch["image"][0], batch["label"][0]


@pytest.mark.parametrize("rotation", [0, 40])
@pytest.mark.parametrize("crop", [None, (32, 32), (80, 90), (1, 1)])
def test_comes_out_in_the_crop_size_and_in_step(crop, rotation):
    augment = Augmentation(9, [1.0, 1.0, 1.0], crop, scale=(0.5, 2.0), horizontal_flip=0.5, rotation=rotation)
    image, label = marked_sample()
    ignored = 0
    for seed in SEEDS:
        new_image, new_label = augmented(augment, image, label, seed)
        assert new_image.dtype == new_label.dtype == torch.uint8
        assert tuple(new_label.shape) == (crop or (40, 60)) == tuple(new_image.shape[1:])
        assert set(new_label.unique().tolist()) <= {0, 1, 9}
        ignored += (new_label == 9).sum().item()
        # Away from edges, where resampling mixes, the image must still tell the label.
        decided = (new_image[0] < 20) | ((new_image[0] > 180) & (new_image[0] < 220))
        agrees = (new_image[0] > 100) == (new_label == 1)
        assert agrees[decided & (new_label != 9)].float().mean() > 0.97 if decided.any() else True
    assert (ignored > 0) == (crop != (1, 1))


@pytest.mark.parametrize("rotation", [0, 180])
@pytest.mark.parametrize("crop", [(9, 14), (30, 40)])
def test_cutting_first_changes_nothing(crop, rotation):
    augment = Augmentation(
        255, [0.3, 0.3, 0.3], crop, scale=(0.3, 2.0), horizontal_flip=0.5, rotation=rotation, contrast=0.3
    )
    image = np.random.default_rng(0).integers(0, 256, (3, 40, 60), np.uint8)
    label = image[0] % 7
    smaller = 0
    for seed in range(40):
        draw = augment.draw(label.shape, np.random.default_rng(seed), 0.8)
        part = cut(image, label, draw)
        smaller += part[1].size < label.size
        whole, parted = (Collate(augment)([TrainingSample(*found, 0)]) for found in ((image, label, draw), part))
        one, two = whole.augment(), parted.augment()
        # Turned, a place may round to the next 1/256 pixel.
        assert (one["image"].int() - two["image"].int()).abs().max() <= (2 if rotation else 0)
        assert (one["label"] != two["label"]).float().mean() <= (0.005 if rotation else 0)
    assert smaller > 10


def test_outside_the_image_is_filled_and_ignored():
    augment = Augmentation(255, [1.0, 0.0, 0.2], crop=(10, 12))
    image, label = np.full((3, 4, 5), 100, np.uint8), np.zeros((4, 5), np.uint8)
    for seed in SEEDS:
        new_image, new_label = augmented(augment, image, label, seed)
        inside = new_label == 0
        assert inside.sum() == 4 * 5
        assert (new_image[:, inside] == 100).all()
        assert new_image[:, ~inside].unique(dim=1).flatten().tolist() == [255, 0, 51]


def test_the_window_reaches_every_part_of_the_image():
    augment = Augmentation(255, [0.0], crop=(4, 4))
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    corners = set()
    for seed in range(300):
        new_image, _ = augmented(augment, image, image[0], seed)
        corners.add(new_image[0, 0, 0].item())
    assert corners == {row * 8 + column for row in range(5) for column in range(5)}


def test_nothing_switched_on_changes_nothing():
    image, label = marked_sample()
    new_image, new_label = augmented(Augmentation(255, [0, 0, 0]), image, label, 0)
    assert np.array_equal(new_image, image)
    assert np.array_equal(new_label, label)


def test_flips_as_often_as_told():
    augment = Augmentation(255, [0, 0, 0], horizontal_flip=0.3)
    image, label = marked_sample()
    flipped = sum(augmented(augment, image, label, seed)[1][0, 0].item() for seed in range(400))
    assert 0.22 < flipped / 400 < 0.38


def test_turns_up_to_the_angle_and_to_both_sides():
    augment = Augmentation(255, [0, 0, 0], rotation=30)
    angles = []
    for seed in range(200):
        (a, b), _ = augment.draw((40, 60), np.random.default_rng(seed)).matrix[:, :2]
        angles.append(np.degrees(np.arctan2(-b, a)))
    assert -30 <= min(angles) < -25
    assert 25 < max(angles) <= 30


def test_colour_changes_the_image_alone_and_switching_one_off_keeps_the_others_draws():
    image, label = marked_sample()
    image = image // 2
    both = Augmentation(255, [0, 0, 0], brightness=0.5, hue=0.0)
    changed, same = augmented(both, image, label, 1)
    assert np.array_equal(same, label)
    assert not np.array_equal(changed, image)
    with_hue = Augmentation(255, [0, 0, 0], brightness=0.5, hue=0.2)
    assert torch.equal(augmented(with_hue, image, label, 1)[0], changed)  # grey has no hue to shift
    turned = Augmentation(255, [0, 0, 0], brightness=0.5, rotation=10)
    assert np.array_equal(*(augment.draw((40, 60), np.random.default_rng(1)).colour for augment in (both, turned)))


def test_gamma_darkens_above_one_keeps_black_and_white_and_leaves_the_other_draws():
    image, label = marked_sample()
    darker, lighter = (Augmentation(255, [0, 0, 0], gamma=gamma) for gamma in ([2.0, 2.0], [0.5, 0.5]))
    shown = augmented(darker, image, label, 1)[0]
    assert shown.unique().tolist() == [0, round(255 * (200 / 255) ** 2)]
    assert augmented(lighter, image, label, 1)[0].unique().tolist() == [0, round(255 * (200 / 255) ** 0.5)]
    assert set(augmented(darker, image // 200 * 255, label, 1)[0].unique().tolist()) == {0, 255}
    ranged = Augmentation(255, [0, 0, 0], (20, 20), (0.5, 2), 0.5, 20, 0.3, gamma=[0.5, 3.0])
    plain = Augmentation(255, [0, 0, 0], (20, 20), (0.5, 2), 0.5, 20, 0.3)
    exponents = []
    for seed in range(200):
        one, two = (augment.draw(label.shape, np.random.default_rng(seed)) for augment in (ranged, plain))
        assert np.array_equal(one.matrix, two.matrix)
        assert np.array_equal(one.colour[:4], two.colour[:4])
        exponents.append(one.colour[4])
    assert 0.5 <= min(exponents) < 0.55
    assert 2.7 < max(exponents) <= 3.0
    assert np.median(exponents) == pytest.approx(1.5**0.5, rel=0.2)  # in the middle of the logarithms


def test_the_same_stream_gives_the_same_sample():
    augment = Augmentation(255, [0, 0, 0], (20, 20), (0.5, 2), 0.5, 20, 0.3, 0.3, 0.3, 0.1)
    image, label = marked_sample()
    one, two = (augmented(augment, image, label, 5) for _ in range(2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_base_scale_shrinks_what_comes_out():
    image, label = marked_sample()
    new_image, new_label = augmented(Augmentation(255, [0, 0, 0]), image, label, 0, base_scale=0.5)
    assert tuple(new_image.shape[1:]) == tuple(new_label.shape) == (20, 30)
    assert (new_label[:, :15] == 0).all()
    assert (new_label[:, 15:] == 1).all()
