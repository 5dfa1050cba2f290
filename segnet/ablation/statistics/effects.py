"""Experiments of two factors: what each level does on the average over the other factor, and whether they interact.

An effect is a contrast: a weighted sum of the arms' scores with weights that add up to 0, taken once a seed, on the
same images. Its interval is that of :mod:`segnet.ablation.statistics`, as for the difference of two arms.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from segnet.ablation.statistics import MIOU, Interval, bootstrap_values, estimate, holm, image_covariance
from segnet.ablation.statistics.bootstrap import RESAMPLES
from segnet.metrics import ImageScores

Weights = dict[str, float]


@dataclass(frozen=True)
class Effect:
    """One contrast of mIoU, in points; NaN is "cannot be said".

    Attributes:
        kind: "main" or "interaction".
        factor: whose level it is; of an interaction both, joined by "x".
        level, reference: the level and the one it is compared with; of an interaction both of each.
        effect, deviation: mean and standard deviation over the seeds that all its arms have.
        interval: for further seeds and further images.
        p_holm: of no effect, corrected for all effects of its kind (Holm).
        seeds: number of seeds.
    """

    kind: str
    factor: str
    level: str
    reference: str
    effect: float
    deviation: float
    interval: Interval
    p_holm: float
    seeds: int


def factor_effects(
    levels: Mapping[str, Mapping[str, str]],
    scores: Mapping[str, Mapping[int, ImageScores]],
    baseline: str,
    resamples: int = RESAMPLES,
) -> list[Effect]:
    """Compute main effects and interactions against the baseline's levels.

    Args:
        levels: for each arm the level of each factor.
        scores: the per-image scores of each seed of each arm; an effect needs all of its arms.
        baseline: its levels are what others are compared with.
        resamples: of the test images.

    Returns:
        The effects; none unless there are two factors.
    """
    factors = list(next(iter(levels.values())))
    if len(factors) != 2:
        return []
    named = [*_main(levels, baseline, factors), *_interactions(levels, baseline, factors)]
    named = [(names, weights) for names, weights in named if all(arm in scores for arm in weights)]
    if not named:
        return []
    counts = {arm: np.stack([MIOU.counts(one) for one in seeds.values()]) for arm, seeds in scores.items()}
    values = {
        arm: dict(zip(seeds, MIOU.scale * MIOU.statistic(counts[arm].sum(1).astype(float)), strict=True))
        for arm, seeds in scores.items()
    }
    resampled = {arm: MIOU.scale * bootstrap_values(counts[arm], MIOU.statistic, resamples) for arm in scores}
    images = next(iter(counts.values())).shape[1]
    found = [(names, _contrast(weights, values, resampled, images)) for names, weights in named]
    corrected: dict[str, list[float]] = {
        kind: holm(np.array([one[4] for names, one in found if names[0] == kind])).tolist()
        for kind in ("main", "interaction")
    }
    return [
        Effect(*names, effect, deviation, interval, corrected[names[0]].pop(0), seeds)
        for names, (effect, deviation, interval, seeds, _) in found
    ]


def _main(levels: Mapping[str, Mapping[str, str]], baseline: str, factors: list[str]) -> list[tuple[tuple, Weights]]:
    found = []
    for factor in factors:
        reference = levels[baseline][factor]
        for level in dict.fromkeys(of_arm[factor] for of_arm in levels.values()):
            if level == reference:
                continue
            share = 1 / sum(of_arm[factor] == level for of_arm in levels.values())
            weights = {
                arm: share * (1 if of_arm[factor] == level else -1)
                for arm, of_arm in levels.items()
                if of_arm[factor] in (level, reference)
            }
            found.append((("main", factor, level, reference), weights))
    return found


def _interactions(
    levels: Mapping[str, Mapping[str, str]], baseline: str, factors: list[str]
) -> list[tuple[tuple, Weights]]:
    """Differences of differences: does a level do the same under another level of the other factor?"""
    one, other = factors
    arms = {(of_arm[one], of_arm[other]): arm for arm, of_arm in levels.items()}
    start = levels[baseline]
    found = []
    for level, second in arms:
        if level == start[one] or second == start[other]:
            continue
        weights = {
            arms[level, second]: 1.0,
            arms[start[one], second]: -1.0,
            arms[level, start[other]]: -1.0,
            baseline: 1.0,
        }
        names = ("interaction", f"{one} x {other}", f"{level} x {second}", f"{start[one]} x {start[other]}")
        found.append((names, weights))
    return found


def _contrast(
    weights: Weights, values: Mapping[str, Mapping[int, float]], resampled: Mapping[str, np.ndarray], images: int
) -> tuple[float, float, Interval, int, float]:
    seeds = [seed for seed in values[next(iter(weights))] if all(seed in values[arm] for arm in weights)]
    by_seed = np.array([sum(weight * values[arm][seed] for arm, weight in weights.items()) for seed in seeds])
    places = {arm: [list(values[arm]).index(seed) for seed in seeds] for arm in weights}
    by_resample = sum(weight * resampled[arm][:, places[arm]] for arm, weight in weights.items())
    by_resample = by_resample[np.isfinite(by_resample).all(-1)]
    found = estimate(by_seed, image_covariance(by_resample, images))
    interval = Interval(float(found.interval.low), float(found.interval.high))
    return float(found.mean), float(found.deviation), interval, len(seeds), float(found.p_value)
