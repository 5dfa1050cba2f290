"""Scores of a split that are computed from counts of its images, such that any images can be scored together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segnet.metrics.counts import image_f1, mean_f1, mean_iou
from segnet.metrics.image_scores import ImageScores


@dataclass(frozen=True)
class Measure:
    """A score of a split that is computed from counts of its images; the larger, the better.

    Attributes:
        key: as in ``metrics.json``, behind the split.
        name: as in sentences.
        scale: by which a score is multiplied for people, and for everything in a comparison: 100 for points.
        counts: takes :class:`ImageScores` to counts ``(n, a, b)`` that add up over images.
        statistic: takes summed counts ``(..., a, b)`` to scores ``(...)``.
    """

    key: str
    name: str
    scale: float
    counts: Callable[[ImageScores], npt.NDArray[Any]]
    statistic: Callable[[npt.NDArray[Any]], npt.NDArray[np.float64]]


MIOU = Measure("miou", "mIoU", 100, lambda scores: scores.class_counts(), mean_iou)
BOUNDARY_F1 = Measure("boundary_f1", "boundary F1", 100, lambda scores: image_f1(scores.boundary_f1), mean_f1)
BOUNDARY_IOU = Measure("boundary_iou", "boundary IoU", 100, lambda scores: scores.boundary_iou, mean_iou)
SMALL_OBJECT_IOU = Measure("small_object_iou", "small-object IoU", 100, lambda scores: scores.small_objects, mean_iou)
FEW_IMAGES = 10
"""A class in fewer images says little: its IoU hangs on each of them."""
MEASURES = (MIOU, BOUNDARY_F1, BOUNDARY_IOU, SMALL_OBJECT_IOU)


def class_measure(index: int, name: str) -> Measure:
    """Make the measure that is the IoU of one class alone; a class that does not occur scores 0."""

    def counts(scores: ImageScores) -> npt.NDArray[Any]:
        return scores.class_counts()[..., index : index + 1]

    return Measure(f"iou/{name}", f"IoU of {name}", 100, counts, lambda sums: np.nan_to_num(mean_iou(sums)))


def rare_classes(scores: ImageScores) -> dict[str, int]:
    """Count the images of each class that is labelled in fewer than :data:`FEW_IMAGES`, though in one at least."""
    images = (scores.confusions.sum(2) > 0).sum(0)
    return {
        str(name): int(number) for name, number in zip(scores.classes, images, strict=True) if 0 < number < FEW_IMAGES
    }
