"""Experiments of two factors: the mean effect of each level over the other factor, and whether they interact.

An effect is a contrast: a weighted sum of the arms' scores with weights that add up to 0, taken for each seed, on the
same images. Its interval is that of :mod:`segnet.ablation.statistics`, as for the difference of two arms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from segnet.ablation.statistics.estimates import estimate, holm
from segnet.ablation.statistics.records import Effect
from segnet.ablation.statistics.scoring import Arms, ScoredArm, scorable, score_arms
from segnet.metrics.measures import MIOU, Measure
from segnet.resampling.bootstrap import RESAMPLES, image_covariance

Levels = Mapping[str, Mapping[str, str]]
"""For each arm the level of each factor."""


@dataclass(frozen=True)
class _Contrast:
    """An effect's names, as in :class:`Effect`, and the weight of each arm."""

    kind: Literal["main", "interaction"]
    factor: str
    level: str
    reference: str
    weights: dict[str, float]


def factor_effects(
    levels: Levels, scores: Arms, baseline: str, resamples: int = RESAMPLES, measure: Measure = MIOU
) -> list[Effect]:
    """Compute main effects and interactions against the baseline's levels.

    Args:
        levels: for each arm the level of each factor.
        scores: the per-image scores of each seed of each arm; an effect needs all of its arms.
        baseline: the arm with whose levels the others are compared.
        resamples: of the test images.
        measure: the primary one.

    Returns:
        The effects; none unless there are two factors.
    """
    factors = list(next(iter(levels.values())))
    if len(factors) != 2:
        return []
    contrasts = [*_main_effects(levels, baseline, factors), *_interactions(levels, baseline, factors)]
    contrasts = [contrast for contrast in contrasts if all(arm in scores for arm in contrast.weights)]
    if not contrasts:
        return []
    pairs = [(arm, baseline) for arm in scores if arm != baseline and baseline in scores]
    scored = score_arms(scores, measure, resamples, pairs=pairs)
    effects = [_estimate_effect(contrast, scored) for contrast in contrasts]
    corrected = {
        kind: iter(holm([effect.p_holm for effect in effects if effect.kind == kind]))
        for kind in ("main", "interaction")
    }
    return [replace(effect, p_holm=float(next(corrected[effect.kind]))) for effect in effects]


def _main_effects(levels: Levels, baseline: str, factors: list[str]) -> list[_Contrast]:
    contrasts = []
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
            contrasts.append(_Contrast("main", factor, level, reference, weights))
    return contrasts


def _interactions(levels: Levels, baseline: str, factors: list[str]) -> list[_Contrast]:
    """Differences of differences: is the effect of a level the same under another level of the other factor?"""
    first, second = factors
    arms = {(of_arm[first], of_arm[second]): arm for arm, of_arm in levels.items()}
    reference = levels[baseline]
    contrasts = []
    for first_level, second_level in arms:
        if first_level == reference[first] or second_level == reference[second]:
            continue
        weights = {
            arms[first_level, second_level]: 1.0,
            arms[reference[first], second_level]: -1.0,
            arms[first_level, reference[second]]: -1.0,
            baseline: 1.0,
        }
        names = (f"{first_level} x {second_level}", f"{reference[first]} x {reference[second]}")
        contrasts.append(_Contrast("interaction", f"{first} x {second}", *names, weights))
    return contrasts


def _estimate_effect(contrast: _Contrast, scored: Mapping[str, ScoredArm]) -> Effect:
    """Estimate a contrast; its p-value is not corrected yet."""
    arms = {arm: scored[arm] for arm in contrast.weights}
    seeds = [seed for seed in next(iter(arms.values())).values if all(seed in arm.values for arm in arms.values())]
    weighted = [[weight * part for part in arms[name].of_seeds(seeds)] for name, weight in contrast.weights.items()]
    by_seed, by_resample, influence = (np.sum(parts, axis=0) for parts in zip(*weighted, strict=True))
    blocks = next(iter(arms.values())).blocks
    covariance = image_covariance(scorable(by_resample), blocks.number)
    estimated = estimate(by_seed, covariance, degrees=blocks.degrees(influence))
    return Effect(
        contrast.kind,
        contrast.factor,
        contrast.level,
        contrast.reference,
        float(estimated.mean),
        float(estimated.deviation),
        estimated.float_interval(),
        float(estimated.p_value),
        len(seeds),
    )
