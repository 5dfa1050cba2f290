import math

import pytest
import torch

from segnet.errors import UserError
from segnet.metrics import (
    boundary_f1_counts,
    boundary_iou_counts,
    class_counts,
    class_iou,
    confusion,
    confusion_matrix,
    image_confusions,
    image_f1,
    scores,
    small_object_counts,
)
from segnet.metrics.confusion import _are_classes


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


@pytest.mark.parametrize(
    ("label", "prediction", "message"),
    [
        (3, 0, r"a label is 3, which is neither a class \(0..2\) nor the ignore index \(255\)"),
        (-1, 2, "a label is -1, which is neither a class"),
        (1, 3, r"a prediction is 3, which is no class \(0..2\)"),
        (1, -1, "a prediction is -1, which is no class"),
    ],
)
def test_what_is_no_class_is_refused(label, prediction, message):
    labels, predictions = torch.zeros(2, 2, 2, dtype=torch.int64), torch.zeros(2, 2, 2, dtype=torch.int64)
    labels[1, 0, 1], predictions[1, 0, 1] = label, prediction
    for count in (confusion_matrix, image_confusions):
        with pytest.raises(UserError, match=message):
            count(predictions, labels, 3, 255)
    assert not _are_classes(labels, predictions, 3)[1, 0, 1]  # which a GPU looks at
    assert _are_classes(labels, predictions, 3).sum() == 7
    labels[1, 0, 1] = 255  # what is predicted where nothing is scored does not matter
    assert confusion_matrix(predictions, labels, 3, 255).tolist() == [[7, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_bytes_are_compared_as_numbers():
    labels = torch.tensor([255, 0, 255], dtype=torch.uint8)
    assert confusion_matrix(labels, labels, 256, 300).trace() == 3
    assert confusion_matrix(labels, labels, 256, -1).trace() == 3


def test_a_class_that_is_the_ignore_index_is_no_class_of_the_mean_by_hand():
    # Labels 1 1 1 1 2 2 2 2 and two ignored ones; one pixel of class 1 is predicted as the ignored class 0.
    labels = torch.tensor([1, 1, 1, 1, 2, 2, 2, 2, 0, 0])
    predictions = torch.tensor([1, 1, 1, 0, 2, 2, 2, 2, 1, 0])
    confusion = confusion_matrix(predictions, labels, 3, ignore_index=0)
    result = scores(confusion, ignore_index=0)
    assert math.isnan(result.iou[0].item())
    assert result.iou[1:].tolist() == [0.75, 1]
    assert result.miou == 0.875
    assert result.class_accuracy == 0.875
    assert result.pixel_accuracy == 0.875
    assert scores(confusion).miou == pytest.approx(0.583, abs=1e-3)  # as a class that is predicted and never there


@pytest.mark.parametrize("ignore_index", [0, 2, 4, 255])
def test_miou_is_that_of_torchmetrics(ignore_index):
    from torchmetrics.functional.classification import multiclass_jaccard_index

    generator = torch.Generator().manual_seed(ignore_index)
    predictions, labels = (torch.randint(0, 5, (3, 20, 30), generator=generator) for _ in range(2))
    labels[0, :4] = ignore_index
    expected = multiclass_jaccard_index(predictions, labels, 5, average="none", ignore_index=ignore_index)
    counted = scores(confusion_matrix(predictions, labels, 5, ignore_index), ignore_index)
    kept = [index for index in range(5) if index != ignore_index]
    assert counted.iou[kept].tolist() == pytest.approx(expected[kept].tolist(), abs=1e-6)
    mean = multiclass_jaccard_index(predictions, labels, 5, average="macro", ignore_index=ignore_index)
    assert counted.miou == pytest.approx(mean.item(), abs=1e-6)


def test_every_score_leaves_the_ignored_class_out():
    """A network that predicts the ignored class in a corner: no score knows that class, in the split and in a file."""
    labels = torch.ones(1, 24, 24, dtype=torch.int64)
    labels[:, 12:] = 2
    labels[:, :, :6] = 0
    labels[:, 2:4, 10:12] = 2
    predictions = labels.clone()
    predictions[:, 14:16, 20:22] = 0
    facts = (3, 0)
    rims = boundary_iou_counts(predictions, labels, *facts).numpy().sum(0)
    small = small_object_counts(predictions, labels, *facts, area=10).sum(0)
    confusions = image_confusions(predictions, labels, *facts).numpy()
    for counts in (rims, small, class_counts(confusions, 0).sum(0)):
        assert counts[:, 0].tolist() == [0, 0, 0]
        assert math.isnan(class_iou(counts)[0])
    assert image_f1(boundary_f1_counts(predictions, labels, *facts).numpy()).shape == (1, 2, 1)
    assert boundary_f1_counts(predictions, labels, *facts)[0, 2:, 0].tolist() == [0, 0]
