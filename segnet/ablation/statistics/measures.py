"""The scores that arms are compared by, and the reading of a whole experiment's per-image scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segnet.errors import UserError
from segnet.metrics.counts import image_f1, mean_f1, mean_iou
from segnet.metrics.image_scores import ImageScores, read_scores


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


def read_arms(files: Mapping[str, Mapping[int, Path]]) -> dict[str, dict[int, ImageScores]]:
    """Read the per-image scores of all runs of an experiment.

    Args:
        files: by arm and seed, such as ``{"nearest": {0: RUN_DIR / "scores/test.npz"}}``.

    Raises:
        UserError: a file cannot be read, or two runs were scored on different images.
    """
    arms = {arm: {seed: read_scores(path) for seed, path in seeds.items()} for arm, seeds in files.items()}
    first: tuple[Path, ImageScores] | None = None
    for arm, seeds in arms.items():
        for seed, scores in seeds.items():
            path = files[arm][seed]
            first = first or (path, scores)
            same = np.array_equal(scores.names, first[1].names) and np.array_equal(scores.classes, first[1].classes)
            if not same:
                raise UserError(f"{path} and {first[0]} score different images: compare runs on one split")
    return arms
