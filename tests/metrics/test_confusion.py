import math

import pytest
import torch

from segnet.metrics import confusion, confusion_matrix, scores


def naive_confusion(predictions, labels, num_classes, ignore_index):
    matrix = [[0] * num_classes for _ in range(num_classes)]
    for prediction, label in zip(predictions.flatten().tolist(), labels.flatten().tolist(), strict=True):
        if label != ignore_index:
            matrix[label][prediction] += 1
    return matrix


@pytest.mark.parametrize("ignore_index", [255, 5, 0])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_counts_as_the_naive_loop_does(ignore_index, dtype):
    generator = torch.Generator().manual_seed(0)
    predictions = torch.randint(0, 5, (2, 7, 9), generator=generator).to(dtype)
    labels = torch.randint(0, 5, (2, 7, 9), generator=generator).to(dtype)
    labels[0, :3] = ignore_index
    matrix = confusion_matrix(predictions, labels, 5, ignore_index)
    assert matrix.dtype == torch.int64
    assert matrix.tolist() == naive_confusion(predictions, labels, 5, ignore_index)


def test_other_devices_count_alike():
    places = torch.randint(0, 7, (1000,), generator=torch.Generator().manual_seed(0))
    counted = confusion._count_by_adding(places, 9)
    assert counted.dtype == torch.int64
    assert counted.tolist() == [places.tolist().count(number) for number in range(9)]


def test_scores_by_hand():
    # Class 0: 3 hits, 4 labelled, 5 predicted; class 1: 2 hits, 4 labelled, 3 predicted.
    result = scores(torch.tensor([[3, 1], [2, 2]]))
    assert result.iou.tolist() == pytest.approx([3 / 6, 2 / 5])
    assert result.miou == pytest.approx(0.45)
    assert result.class_accuracy == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert result.pixel_accuracy == pytest.approx(5 / 8)


def test_a_class_that_does_not_occur_is_left_out_of_the_mean():
    result = scores(torch.tensor([[3, 0, 0], [0, 5, 0], [0, 0, 0]]))
    assert result.miou == 1
    assert math.isnan(result.iou[2].item())


def test_a_class_that_is_only_predicted_counts_as_zero():
    result = scores(torch.tensor([[3, 0, 1], [0, 5, 0], [0, 0, 0]]))
    assert result.iou.tolist() == pytest.approx([0.75, 1, 0])
    assert result.miou == pytest.approx(1.75 / 3)
    assert result.class_accuracy == pytest.approx((0.75 + 1) / 2)


def test_the_mean_is_over_the_split_and_not_over_images():
    """Two images, one with a single pixel of class 1: the mean of the images' scores would be another number."""
    one, two = torch.tensor([[90, 0], [1, 0]]), torch.tensor([[50, 0], [0, 50]])
    pooled = scores(one + two)
    assert pooled.iou.tolist() == pytest.approx([140 / 141, 50 / 51])
    assert abs(pooled.miou - (scores(one).miou + scores(two).miou) / 2) > 0.2


def test_counts_beyond_float_precision_stay_exact():
    matrix = torch.tensor([[2**40 + 1, 0], [0, 1]])
    assert (matrix + matrix).tolist() == [[2**41 + 2, 0], [0, 2]]
    assert scores(matrix).miou == 1
