"""The scores of arms, on the test images and on resamples of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segnet.metrics.image_scores import ImageScores
from segnet.metrics.measures import Measure
from segnet.resampling.blocks import Blocks, choose_blocks, groups_of
from segnet.resampling.bootstrap import bootstrap_values, influences
from segnet.resampling.interval import FloatArray

Arms = Mapping[str, Mapping[int, ImageScores]]
"""The per-image scores of each seed of each arm."""


@dataclass(frozen=True)
class ScoredArm:
    """The scores of one arm, in the measure's points.

    Attributes:
        values: of each seed.
        resampled: ``(R, S)``, on each of R resamples, which are the same for all arms.
        influence: ``(S, n)``, of each image on the score of each seed, see
            :func:`segnet.ablation.statistics.influences`.
        blocks: how the images were resampled, the same for all arms.
    """

    values: dict[int, float]
    resampled: FloatArray
    influence: FloatArray
    blocks: Blocks

    def of_seeds(self, seeds: Sequence[int]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return values ``(S,)``, resampled scores ``(R, S)`` and the images' influence ``(n,)`` of some seeds."""
        columns = [list(self.values).index(seed) for seed in seeds]
        influence = self.influence[columns].mean(0) if columns else np.zeros(self.influence.shape[1])
        return np.array([self.values[seed] for seed in seeds]), self.resampled[:, columns], influence


def score_arms(
    arms: Arms, measure: Measure, resamples: int, seed: int = 0, pairs: Sequence[tuple[str, str]] | None = None
) -> dict[str, ScoredArm]:
    """Score all seeds of all arms.

    Args:
        arms: see :func:`segnet.ablation.statistics.read_arms`.
        measure: the score.
        resamples: of the test images.
        seed: of the resampling.
        pairs: the differences between arms whose noise the blocks of images are chosen for; None: the arms' own scores.
    """
    counts = {arm: np.stack([measure.counts(scores) for scores in seeds.values()]) for arm, seeds in arms.items()}
    influence = {arm: measure.scale * influences(of_arm, measure.statistic) for arm, of_arm in counts.items()}
    groups = groups_of(next(of_seed.groups for seeds in arms.values() for of_seed in seeds.values()))
    means = {arm: of_arm.mean(0) for arm, of_arm in influence.items()}
    chosen = means.values() if pairs is None else [means[arm] - means[other] for arm, other in pairs]
    blocks = choose_blocks(groups, list(chosen))
    scored = {}
    for arm, seeds in arms.items():
        values = measure.scale * measure.statistic(counts[arm].sum(1).astype(float))
        # Equal resamples from equal seeds: arm by arm takes less memory than all at once.
        resampled = measure.scale * bootstrap_values(counts[arm], measure.statistic, resamples, seed, blocks)
        scored[arm] = ScoredArm(dict(zip(seeds, values.tolist(), strict=True)), resampled, influence[arm], blocks)
    return scored


def scorable(resampled: FloatArray) -> FloatArray:
    """Leave out the resamples ``(R, S)`` in which there is nothing to score."""
    return resampled[np.isfinite(resampled).all(-1)]
