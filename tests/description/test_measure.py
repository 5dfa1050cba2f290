import numpy as np
import pytest

from segnet.description.measure import Sample, Split, absent, class_shares, class_sizes, evenly, measure_sample
from segnet.errors import UserError

LABEL = np.array(
    [
        [0, 0, 1, 1, 9],
        [0, 0, 0, 0, 9],
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 1],
    ],
    dtype=np.uint8,
)


@pytest.fixture
def sample():
    image = np.zeros((4, 5, 3), np.uint8)
    image[..., 0] = 255
    return measure_sample(image, LABEL, 3, 9, "a")


def test_a_sample_counted_by_hand(sample):
    assert sample.size == (4, 5)
    assert sample.pixels.tolist() == [13, 5, 0]
    assert sample.ignored == 2
    # The two 1s in the first row, the diagonal pair (8 neighbours join it) and the corner.
    assert [sorted(areas.tolist()) for areas in sample.components] == [[13], [1, 2, 2], []]
    # Of class 1 every pixel has a 0 beside it; of class 0 those beside a 1.
    assert sample.boundary.tolist() == [9, 5, 0]
    assert sample.sums.tolist() == [[20, 0, 0], [20, 0, 0]]


def test_a_split_adds_up_its_samples(sample):
    split = Split("train", 5, 2, [sample, sample])
    assert split.ignored == pytest.approx(2 / 20)
    assert class_shares(split) == pytest.approx([13 / 18, 5 / 18, 0])
    assert absent(split, ["a", "b", "c"], 9) == ["c"]
    assert absent(split, ["a", "b", "c"], 2) == []
    assert (split.colours().mean, split.colours().std) == ([1, 0, 0], [0, 0, 0])
    sizes = class_sizes(split, 1)
    assert sizes.per_image == 3
    assert (sizes.median, sizes.low) == (2 / 20, 1 / 20)
    assert sizes.small == 0
    assert class_sizes(split, 2) is None


def test_mean_and_deviation_are_over_all_pixels_of_images_of_any_size():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((3, 4), (6, 5))]
    samples = [measure_sample(image, np.zeros(image.shape[:2], np.uint8), 2, 255, "a") for image in images]
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]) / 255
    found = Split("train", 2, 2, samples).colours()
    assert found.mean == pytest.approx(pixels.mean(0))
    assert found.std == pytest.approx(pixels.std(0))


def test_a_label_that_is_no_class_is_named():
    with pytest.raises(UserError, match="the label of b holds 7, which is no class: segnet-data verify finds all such"):
        measure_sample(np.zeros((1, 2, 3), np.uint8), np.array([[0, 7]], np.uint8), 3, 9, "b")


def test_samples_are_evenly_spaced():
    assert evenly(3, None) == [0, 1, 2]
    assert evenly(10, 4) == [0, 2, 5, 7]
    assert evenly(2, 5) == [0, 1]
    assert evenly(5, 0) == []
    assert isinstance(evenly(1, 1), list)
    assert Sample.__dataclass_params__.frozen
