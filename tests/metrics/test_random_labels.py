"""Random label images through every metric of labels, against loops over pixels."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segnet.metrics import (
    boundary_f1_counts,
    boundary_iou_counts,
    confusion_matrix,
    image_confusions,
    small_object_counts,
    trimap_confusions,
)
from tests.metrics import naive_boundary as naive

FEW = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
MANY = settings(FEW, max_examples=400)
IGNORE = 255


@st.composite
def label_images(draw):
    """Draw a prediction and labels of regions or of noise, some ignored, of any size, and the number of classes."""
    classes = draw(st.integers(1, 5))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    smoothness, ignored = draw(st.sampled_from([0.0, 0.8, 1.5])), draw(st.sampled_from([0.0, 0.2, 1.0]))
    noise = random.normal(size=(2, classes, *size))
    predictions, labels = ndimage.gaussian_filter(noise, (0, 0, smoothness, smoothness)).argmax(1).astype(np.uint8)
    labels = np.where(random.random(size) < 0.4, predictions, labels)
    labels[random.random(size) < ignored] = IGNORE
    return predictions, labels, classes


def check_all(drawn, tolerance, distance, area):
    predictions, labels, classes = drawn
    pair = tuple(torch.from_numpy(maps)[None] for maps in (predictions, labels))
    expected = np.zeros((classes, classes), dtype=int)
    for predicted, labelled in zip(predictions.flat, labels.flat, strict=True):
        if labelled != IGNORE:
            expected[labelled, predicted] += 1
    assert confusion_matrix(*pair, classes, IGNORE).tolist() == expected.tolist()
    assert image_confusions(*pair, classes, IGNORE)[0].tolist() == expected.tolist()
    maps = (predictions, labels, classes, IGNORE)
    counts = boundary_f1_counts(*pair, classes, IGNORE, tolerance)
    assert counts[0].tolist() == naive.f1_counts(*maps, tolerance).tolist()
    assert (
        boundary_iou_counts(*pair, classes, IGNORE, distance)[0].tolist() == naive.iou_counts(*maps, distance).tolist()
    )
    assert small_object_counts(*pair, classes, IGNORE, area)[0].tolist() == naive.small_counts(*maps, area).tolist()
    widths = (1, distance + 1)
    assert trimap_confusions(*pair, classes, IGNORE, widths)[0].tolist() == naive.trimap(*maps, widths).tolist()


DRAWN = {
    "drawn": label_images(),
    "tolerance": st.sampled_from([0.5, 1, 1.5, 2.5, 20]),
    "distance": st.integers(1, 12),
    "area": st.integers(1, 30),
}


@FEW
@given(**DRAWN)
def test_counts_of_random_labels_are_those_of_naive_loops(drawn, tolerance, distance, area):
    check_all(drawn, tolerance, distance, area)


@pytest.mark.slow
@MANY
@given(**DRAWN)
def test_counts_of_many_random_labels_are_those_of_naive_loops(drawn, tolerance, distance, area):
    check_all(drawn, tolerance, distance, area)
