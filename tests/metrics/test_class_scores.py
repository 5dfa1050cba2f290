import numpy as np
import pytest

from segnet.metrics import class_dice, class_precision, class_recall, image_class_f1, image_f1


def test_dice_recall_and_precision_by_hand():
    counts = np.array([[3, 0, 0], [4, 0, 2], [6, 5, 0]])  # hit, labelled, predicted of three classes
    assert class_dice(counts) == pytest.approx([6 / 10, 0, 0])
    assert class_recall(counts) == pytest.approx([3 / 4, np.nan, 0], nan_ok=True)
    assert class_precision(counts) == pytest.approx([3 / 6, 0, np.nan], nan_ok=True)
    assert np.isnan(class_dice(np.zeros((3, 1)))).all()


def test_boundary_f1_of_a_class_is_the_mean_over_the_images_that_have_it():
    # (images, 4, K): near predicted, predicted, near labelled, labelled
    counts = np.array([[[2, 0], [4, 0], [3, 0], [3, 0]], [[0, 1], [2, 1], [0, 1], [5, 1]]])
    sums = image_class_f1(counts).sum(0)
    assert (sums[0] / sums[1]).tolist() == pytest.approx([(2 * 0.5 / 1.5 + 0) / 2, 1.0])
    assert sums[1].tolist() == [2, 1]
    of_images = image_f1(counts)[:, 0, 0]
    assert of_images == pytest.approx([2 * 0.5 / 1.5, (0 + 1) / 2])
