"""The scores of arms, on the test images and on resamples of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segnet.ablation.statistics.bootstrap import bootstrap_values
from segnet.ablation.statistics.estimates import FloatArray
from segnet.ablation.statistics.measures import Measure
from segnet.metrics.image_scores import ImageScores

Arms = Mapping[str, Mapping[int, ImageScores]]
"""The per-image scores of each seed of each arm."""


@dataclass(frozen=True)
class ScoredArm:
    """The scores of one arm, in the measure's points.

    Attributes:
        values: of each seed.
        resampled: ``(R, S)``, on each of R resamples, which are the same for all arms.
        images: number of test images.
    """

    values: dict[int, float]
    resampled: FloatArray
    images: int

    def of_seeds(self, seeds: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """Return the values ``(S,)`` and the resampled scores ``(R, S)`` of some of its seeds."""
        columns = [list(self.values).index(seed) for seed in seeds]
        return np.array([self.values[seed] for seed in seeds]), self.resampled[:, columns]


def score_arms(arms: Arms, measure: Measure, resamples: int, seed: int = 0) -> dict[str, ScoredArm]:
    """Score all seeds of all arms.

    Args:
        arms: see :func:`segnet.ablation.statistics.read_arms`.
        measure: the score.
        resamples: of the test images.
        seed: of the resampling.
    """
    scored = {}
    for arm, seeds in arms.items():
        counts = np.stack([measure.counts(scores) for scores in seeds.values()])
        values = measure.scale * measure.statistic(counts.sum(1).astype(float))
        # Equal resamples from equal seeds: arm by arm takes less memory than all at once.
        resampled = measure.scale * bootstrap_values(counts, measure.statistic, resamples, seed)
        scored[arm] = ScoredArm(dict(zip(seeds, values.tolist(), strict=True)), resampled, counts.shape[1])
    return scored


def scorable(resampled: FloatArray) -> FloatArray:
    """Leave out the resamples ``(R, S)`` in which there is nothing to score."""
    return resampled[np.isfinite(resampled).all(-1)]
