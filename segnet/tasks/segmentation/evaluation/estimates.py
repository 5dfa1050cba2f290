"""The scores of a split with their intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from segnet.metrics import (
    calibration_error,
    class_dice,
    class_iou,
    class_precision,
    class_recall,
    image_class_f1,
    image_f1,
    mean_f1,
    mean_iou,
    overconfidence,
)
from segnet.resampling import CONFIDENCE, RESAMPLES, Interval, bootstrap_values, choose_blocks, groups_of, influences
from segnet.resampling.interval import FloatArray
from segnet.tasks.segmentation.evaluation.collection import Collected

Statistic = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Estimate:
    """A score of the split in 0..1, NaN where there is nothing to score, and its interval for further images."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Family:
    """Scores that are computed from the same counts, and resampled together.

    Attributes:
        keys: of the scores, as in ``metrics.json`` behind the split.
        counts: ``(n, a, b)`` of n images, which add up.
        statistic: takes sums ``(..., a, b)`` to the scores ``(..., len(keys))``.
        main: the place in ``keys`` of the score that the blocks of images are chosen for.
    """

    keys: Sequence[str]
    counts: np.ndarray
    statistic: Statistic
    main: int = 0


@dataclass(frozen=True)
class Estimates:
    """All scores of a split.

    Attributes:
        scores: by key.
        block_length: number of neighbouring images that are resampled together for mIoU; 1 where each stands alone.
        blocks: number of blocks in such a resample.
        groups: of images that belong together.
    """

    scores: dict[str, Estimate]
    block_length: int
    blocks: float
    groups: int


def estimate_scores(collected: Collected, resamples: int = RESAMPLES) -> Estimates:
    """Score a split, and resample its images in blocks (see ``docs/statistics.md``).

    Args:
        collected: the counts of its images.
        resamples: of the images; 0 leaves out the intervals.
    """
    groups = groups_of(collected.images.groups)
    scores: dict[str, Estimate] = {}
    lengths: list[tuple[int, float]] = []
    for family in _families(collected):
        total = family.counts.sum(0)
        values = family.statistic(total)
        series = influences(family.counts, lambda sums, family=family: family.statistic(sums)[..., family.main])  # type: ignore[misc]
        blocks = choose_blocks(groups, [series])
        lengths.append((blocks.length, blocks.number))
        resampled = np.empty((0, len(values)))
        if resamples and blocks.number > 1:
            resampled = bootstrap_values(family.counts[None], family.statistic, resamples, 0, blocks)[:, 0]
        for place, key in enumerate(family.keys):
            scores[key] = Estimate(float(values[place]), _interval(resampled[:, place]))
    return Estimates(scores, *lengths[0], groups.number)


def _families(collected: Collected) -> list[Family]:
    images = collected.images
    names = [str(name) for name in images.classes]

    def of_classes(*kinds: str) -> list[str]:
        return [f"{kind}/{name}" for kind in kinds for name in names]

    means = ["miou", "dice", "class_accuracy", "pixel_accuracy"]
    return [
        Family([*means, *of_classes("iou", "dice", "accuracy", "precision")], images.class_counts(), _pixel_scores),
        Family(["boundary_f1"], image_f1(images.boundary_f1), lambda sums: mean_f1(sums)[..., None]),
        Family(of_classes("boundary_f1"), image_class_f1(images.boundary_f1), _class_f1, _most(images.boundary_f1)),
        Family(["boundary_iou", *of_classes("boundary_iou")], images.boundary_iou, _with_mean),
        Family(["small_object_iou"], images.small_objects, lambda sums: mean_iou(sums)[..., None]),
        Family(["calibration_error", "overconfidence"], collected.calibration, _calibration),
    ]


def _pixel_scores(sums: FloatArray) -> FloatArray:
    dice, recall = class_dice(sums), class_recall(sums)
    hits, labelled = sums[..., 0, :].sum(-1), sums[..., 1, :].sum(-1)
    accuracy = np.divide(hits, labelled, out=np.full(np.shape(hits), np.nan), where=labelled > 0)
    means = [mean_iou(sums), _mean_of_known(dice), _mean_of_known(recall), accuracy]
    return np.concatenate([np.stack(means, axis=-1), class_iou(sums), dice, recall, class_precision(sums)], axis=-1)


def _with_mean(sums: FloatArray) -> FloatArray:
    return np.concatenate([mean_iou(sums)[..., None], class_iou(sums)], axis=-1)


def _class_f1(sums: FloatArray) -> FloatArray:
    total, number = sums[..., 0, :], sums[..., 1, :]
    mean: FloatArray = np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)
    return mean


def _calibration(sums: FloatArray) -> FloatArray:
    return np.stack([calibration_error(sums), overconfidence(sums)], axis=-1)


def _most(counts: np.ndarray) -> int:
    """Return the class whose boundary is in most labels: the images vary in it most surely."""
    return int((counts[:, 3] > 0).sum(0).argmax())


def _mean_of_known(values: FloatArray) -> FloatArray:
    known = ~np.isnan(values)
    total, number = np.where(known, values, 0.0).sum(-1), known.sum(-1)
    mean: FloatArray = np.divide(total, number, out=np.full(np.shape(total), np.nan), where=number > 0)
    return mean


def _interval(values: FloatArray) -> Interval:
    """Percentile interval ``(R,)`` of the resamples in which there is something to score."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(np.nan, np.nan)
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))
