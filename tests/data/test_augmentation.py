import numpy as np
import pytest
import torch

from segnet.data import Augmentation

SEEDS = range(20)


def marked_sample(height: int = 40, width: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """An image that shows its own label: the left half 0, the right half 200, the label 0 and 1."""
    label = torch.zeros(height, width, dtype=torch.uint8)
    label[:, width // 2 :] = 1
    return (label * 200)[None].repeat(3, 1, 1), label


@pytest.mark.parametrize("crop", [None, (32, 32), (80, 90), (1, 1)])
def test_comes_out_in_the_crop_size_and_in_step(crop):
    augment = Augmentation(9, [1.0, 1.0, 1.0], crop, scale=(0.5, 2.0), horizontal_flip=0.5)
    image, label = marked_sample()
    ignored = 0
    for seed in SEEDS:
        new_image, new_label = augment(image, label, np.random.default_rng(seed))
        assert new_image.dtype == new_label.dtype == torch.uint8
        assert tuple(new_label.shape) == (crop or (40, 60)) == tuple(new_image.shape[1:])
        assert set(new_label.unique().tolist()) <= {0, 1, 9}
        ignored += (new_label == 9).sum().item()
        # Away from edges, where resizing mixes, the image must still tell the label.
        decided = (new_image[0] < 20) | ((new_image[0] > 180) & (new_image[0] < 220))
        agrees = (new_image[0] > 100) == (new_label == 1)
        assert agrees[decided & (new_label != 9)].float().mean() > 0.97 if decided.any() else True
    assert (ignored > 0) == (crop != (1, 1))


def test_outside_the_image_is_filled_and_ignored():
    augment = Augmentation(255, [1.0, 0.0, 0.2], crop=(10, 12))
    image, label = torch.full((3, 4, 5), 100, dtype=torch.uint8), torch.zeros(4, 5, dtype=torch.uint8)
    for seed in SEEDS:
        new_image, new_label = augment(image, label, np.random.default_rng(seed))
        inside = new_label == 0
        assert inside.sum() == 4 * 5
        assert (new_image[:, inside] == 100).all()
        assert new_image[:, ~inside].unique(dim=1).flatten().tolist() == [255, 0, 51]


def test_the_window_reaches_every_part_of_the_image():
    augment = Augmentation(255, [0.0], crop=(4, 4))
    image = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8)
    corners = set()
    for seed in range(300):
        new_image, _ = augment(image, image[0], np.random.default_rng(seed))
        corners.add(new_image[0, 0, 0].item())
    assert corners == {row * 8 + column for row in range(5) for column in range(5)}


def test_nothing_switched_on_changes_nothing():
    image, label = marked_sample()
    new_image, new_label = Augmentation(255, [0, 0, 0])(image, label, np.random.default_rng(0))
    assert torch.equal(new_image, image)
    assert torch.equal(new_label, label)


def test_flips_as_often_as_told():
    augment = Augmentation(255, [0, 0, 0], horizontal_flip=0.3)
    image, label = marked_sample()
    flipped = sum(augment(image, label, np.random.default_rng(seed))[1][0, 0].item() for seed in range(400))
    assert 0.22 < flipped / 400 < 0.38


def test_colour_changes_the_image_alone_and_switching_one_off_keeps_the_others_draws():
    image, label = marked_sample()
    image = image // 2
    both = Augmentation(255, [0, 0, 0], brightness=0.5, hue=0.0)
    augmented, same = both(image, label, np.random.default_rng(1))
    assert torch.equal(same, label)
    assert not torch.equal(augmented, image)
    with_hue = Augmentation(255, [0, 0, 0], brightness=0.5, hue=0.2)
    assert torch.equal(with_hue(image, label, np.random.default_rng(1))[0], augmented)  # grey has no hue to shift


def test_the_same_stream_gives_the_same_sample():
    augment = Augmentation(255, [0, 0, 0], (20, 20), (0.5, 2), 0.5, 0.3, 0.3, 0.3, 0.1)
    image, label = marked_sample()
    one, two = (augment(image, label, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_base_scale_shrinks_what_comes_out():
    image, label = marked_sample()
    new_image, new_label = Augmentation(255, [0, 0, 0])(image, label, np.random.default_rng(0), base_scale=0.5)
    assert tuple(new_image.shape[1:]) == tuple(new_label.shape) == (20, 30)
    assert (new_label[:, :15] == 0).all()
    assert (new_label[:, 15:] == 1).all()
