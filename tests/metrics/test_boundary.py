import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from segnet.metrics import (
    boundary_f1_counts,
    boundary_iou_counts,
    image_f1,
    mean_f1,
    mean_iou,
    small_object_counts,
    trimap_confusions,
)
from tests.metrics import naive_boundary as naive

IGNORE = 255


def picture(*rows):
    """A class map from digits; a dot is ignored."""
    return torch.tensor([[IGNORE if sign == "." else int(sign) for sign in row] for row in rows], dtype=torch.uint8)


def blobs(seed, size, num_classes):
    """A prediction and a label with regions, some void."""
    random = np.random.default_rng(seed)
    maps = []
    for _ in range(2):
        noise = ndimage.gaussian_filter(random.normal(size=(num_classes, *size)), (0, 1.5, 1.5))
        maps.append(noise.argmax(0))
    prediction, label = maps
    prediction = np.where(random.random(size) < 0.6, label, prediction)
    label = np.where(ndimage.gaussian_filter(random.normal(size=size), 1) < 0.35, label, IGNORE)
    return prediction.astype(np.uint8), label.astype(np.uint8)


CASES = [blobs(seed, size, 4) for seed, size in enumerate([(13, 17), (9, 9), (16, 7), (1, 12), (2, 2), (13, 17)])]


def batch(case):
    return (torch.from_numpy(maps)[None] for maps in case)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("tolerance", [0.5, 1, 1.5, 3, 4.5])
def test_boundary_f1_counts_as_the_naive_loops_do(case, tolerance):
    counts = boundary_f1_counts(*batch(case), 4, IGNORE, tolerance)
    assert counts.dtype == torch.int64
    assert counts[0].tolist() == naive.f1_counts(*case, 4, IGNORE, tolerance).tolist()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("distance", [1, 2, 3, 20])
def test_boundary_iou_counts_as_repeated_erosion_does(case, distance):
    counts = boundary_iou_counts(*batch(case), 4, IGNORE, distance)
    assert counts[0].tolist() == naive.iou_counts(*case, 4, IGNORE, distance).tolist()


@pytest.mark.parametrize("case", CASES)
def test_the_trimap_counts_as_the_naive_loops_do(case):
    counts = trimap_confusions(*batch(case), 4, IGNORE, (1, 2, 3, 5))
    assert counts[0].tolist() == naive.trimap(*case, 4, IGNORE, (1, 2, 3, 5)).tolist()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("area", [1, 4, 12, 100])
def test_small_objects_count_as_the_naive_loops_do(case, area):
    counts = small_object_counts(*batch(case), 4, IGNORE, area)
    assert counts[0].tolist() == naive.small_counts(*case, 4, IGNORE, area).tolist()


def test_the_cases_are_worth_counting():
    assert sum(naive.f1_counts(*case, 4, IGNORE, 1)[0].sum() for case in CASES) > 50
    assert any((label == IGNORE).any() for _, label in CASES)
    assert all(sum(naive.small_counts(*case, 4, IGNORE, 4)[row].sum() for case in CASES) > 5 for row in range(3))


def test_boundary_f1_by_hand():
    """A step that stands one pixel too far right: its boundary columns are 1|2 in the label, 2|3 in the prediction."""
    label = picture("0011", "0011")[None]
    prediction = picture("0001", "0001")[None]
    strict = boundary_f1_counts(prediction, label, 2, IGNORE, tolerance=0.5)
    assert strict[0].tolist() == [[0, 0], [2, 2], [0, 0], [2, 2]]
    near = boundary_f1_counts(prediction, label, 2, IGNORE, tolerance=1)
    assert near[0].tolist() == [[2, 2], [2, 2], [2, 2], [2, 2]]
    assert mean_f1(image_f1(strict.numpy()).sum(0)) == 0
    assert mean_f1(image_f1(near.numpy()).sum(0)) == 1


def test_f1_is_the_mean_over_the_image_s_classes_and_then_over_images():
    # Class 0: precision 1/2, recall 1/4; class 1: nothing predicted; class 2: not labelled, so left out.
    one = np.array([[2, 0, 0], [4, 0, 9], [2, 0, 0], [8, 5, 0]])
    perfect = np.array([[3, 0, 0], [3, 0, 0], [3, 0, 0], [3, 0, 0]])
    nothing = np.array([[0, 0, 0], [7, 0, 0], [0, 0, 0], [0, 0, 0]])
    images = image_f1(np.stack([one, perfect, nothing]))
    assert images[:, 0, 0].tolist() == pytest.approx([(1 / 3 + 0) / 2, 1, 0])
    assert images[:, 1, 0].tolist() == [1, 1, 0]
    assert mean_f1(images.sum(0)) == pytest.approx((1 / 6 + 1) / 2)
    assert math.isnan(mean_f1(images[2:].sum(0)))


def test_a_class_with_a_boundary_in_the_prediction_alone_is_not_in_the_mean():
    label, prediction = picture("000111")[None], picture("000112")[None]
    counts = boundary_f1_counts(prediction, label, 3, IGNORE, tolerance=0)[0]
    assert counts[1, 2] == 1, "it has a boundary in the prediction"
    f1_of_1 = 2 * (1 / 2) * 1 / (1 / 2 + 1)  # of its two predicted boundary pixels the one next to class 2 is wrong
    assert mean_f1(image_f1(counts.numpy())) == pytest.approx((1 + f1_of_1) / 2)


def test_several_boundary_pixels_may_be_near_one():
    """Two predicted pixels of class 1 lie near the only labelled one: both are right."""
    label, prediction = picture("00010")[None], picture("01010")[None]
    counts = boundary_f1_counts(prediction, label, 2, IGNORE, tolerance=2)[0]
    assert counts[:, 1].tolist() == [2, 2, 1, 1]


def test_the_tolerance_is_three_quarters_of_a_percent_of_the_diagonal():
    """360x480 has a diagonal of 600 pixels: 4 pixels are near, 5 are not."""
    label, two = torch.zeros(2, 1, 360, 480, dtype=torch.uint8)
    label[..., 200:] = 1
    counts = []
    for shift in (4, 5):
        two = torch.zeros(1, 360, 480, dtype=torch.uint8)
        two[..., 200 + shift :] = 1
        counts.append(boundary_f1_counts(two, label, 2, IGNORE)[0, :, 0].tolist())
    assert counts == [[360, 360, 360, 360], [0, 360, 0, 360]]


def test_boundary_iou_by_hand():
    """Rims of one pixel in 5x5: the border of the image, and both sides of the edge."""
    label = picture("00000", "00000", "00000", "11111", "11111")[None]
    prediction = picture("00000", "00000", "11111", "11111", "11111")[None]
    counts = boundary_iou_counts(prediction, label, 2, IGNORE, distance=1)[0]
    # Class 0: label 15 pixels without (1, 1..3); prediction 10 pixels, all rim; common without (1, 1..3).
    # Class 1: label 10 pixels, all rim; prediction 15 without (3, 1..3).
    assert counts.tolist() == [[7, 7], [12, 10], [10, 12]]
    assert mean_iou(counts.numpy()) == pytest.approx(7 / 15)


def test_void_makes_no_boundary_and_does_not_count():
    label = picture("00.11", "00.11", "00.11")[None]
    prediction = picture("00011", "00101", "01111")[None]
    f1 = boundary_f1_counts(prediction, label, 2, IGNORE, tolerance=1)[0]
    assert f1[2:].tolist() == [[0, 0], [0, 0]], "two classes with void between them have no boundary"
    # Scored predicted boundaries: (1, 3) is 0 beside 1s at (0, 3), (1, 4), (2, 3); (2, 1) is 1 beside (1, 1), (2, 0).
    assert f1[1].tolist() == [3, 4]
    trimap = trimap_confusions(prediction, label, 2, IGNORE)
    assert trimap.sum() == 0
    whole = torch.full_like(label, IGNORE)
    for counts in (
        boundary_f1_counts(prediction, whole, 2, IGNORE),
        boundary_iou_counts(prediction, whole, 2, IGNORE),
        trimap_confusions(prediction, whole, 2, IGNORE),
        small_object_counts(prediction, whole, 2, IGNORE),
    ):
        assert counts.sum() == 0


def test_what_is_predicted_on_void_changes_nothing():
    prediction, label = batch(CASES[0])
    other = torch.where(label == IGNORE, 3 - prediction, prediction)
    assert (other != prediction).any()
    assert torch.equal(boundary_f1_counts(prediction, label, 4, IGNORE), boundary_f1_counts(other, label, 4, IGNORE))
    assert torch.equal(boundary_iou_counts(prediction, label, 4, IGNORE), boundary_iou_counts(other, label, 4, IGNORE))
    assert torch.equal(trimap_confusions(prediction, label, 4, IGNORE), trimap_confusions(other, label, 4, IGNORE))
    small = [small_object_counts(maps, label, 4, IGNORE, 4) for maps in (prediction, other)]
    assert np.array_equal(*small)


def test_small_objects_by_hand():
    label = picture("1100000", "1100000", "0000000", "0000111", "0010111")[None]
    # Area 4: of class 1, the 2x2 block and the single pixel are small, the 2x3 block is not.
    prediction = picture("1110000", "1110010", "0000000", "0000111", "0000011")[None]
    counts = small_object_counts(prediction, label, 2, IGNORE, area=4)[0]
    # Hits 4 of 5. False: 2 beside the block (touches a small one alone), and (1, 5): small, touches nothing.
    assert counts[:, 1].tolist() == [4, 5, 7]
    assert counts[:, 0].tolist() == [0, 0, 0]


def test_a_large_false_region_is_no_error_of_small_objects():
    label = picture("00000", "00000", "00000")[None]
    prediction = picture("00011", "00011", "00011")[None]
    assert small_object_counts(prediction, label, 2, IGNORE, area=4).sum() == 0
    assert small_object_counts(prediction, label, 2, IGNORE, area=6)[0, :, 1].tolist() == [0, 0, 6]


@pytest.mark.parametrize("num_classes", [15, 16, 31, 32, 63, 64, 130])
def test_any_number_of_classes(num_classes):
    """The bits of an integer end at 15, 31 and 63 classes."""
    prediction, label = blobs(3, (11, 13), num_classes)
    label[0, 0] = prediction[0, 1] = num_classes - 1
    counts = boundary_f1_counts(*batch((prediction, label)), num_classes, IGNORE, 1.5)
    assert counts[0].tolist() == naive.f1_counts(prediction, label, num_classes, IGNORE, 1.5).tolist()


def test_counts_add_up_exactly_over_batches():
    cases = [blobs(seed, (13, 17), 4) for seed in range(5)]
    predictions, labels = (torch.from_numpy(np.stack(maps)) for maps in zip(*cases, strict=True))
    for count in (boundary_f1_counts, boundary_iou_counts, trimap_confusions, small_object_counts):
        together = np.asarray(count(predictions, labels, 4, IGNORE))
        apart = [np.asarray(count(*batch(case), 4, IGNORE)) for case in cases]
        assert np.array_equal(together, np.concatenate(apart))


def test_a_perfect_prediction_scores_one():
    label = torch.from_numpy(CASES[0][1])[None]
    prediction = label.masked_fill(label == IGNORE, 0)
    assert mean_f1(image_f1(boundary_f1_counts(prediction, label, 4, IGNORE).numpy()).sum(0)) == 1
    assert mean_iou(boundary_iou_counts(prediction, label, 4, IGNORE).numpy().sum(0)) == 1
    assert mean_iou(small_object_counts(prediction, label, 4, IGNORE, 20).sum(0)) == 1
