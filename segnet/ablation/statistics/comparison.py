"""The comparison of arms: differences paired by seed, and their intervals."""

import itertools
from dataclasses import replace

import numpy as np

from segnet.ablation.statistics.estimates import effect_size, estimate, holm
from segnet.ablation.statistics.power import Design, analyse_design, seeds_to_detect, smallest_detectable
from segnet.ablation.statistics.records import ArmSummary, Comparison, Outcome
from segnet.ablation.statistics.scoring import Arms, ScoredArm, scorable, score_arms
from segnet.errors import UserError
from segnet.metrics.measures import Measure
from segnet.resampling.bootstrap import RESAMPLES, image_covariance, image_interval
from segnet.resampling.interval import CONFIDENCE, Interval

TARGET_DIFFERENCE = 0.5


def summarise_arms(
    arms: Arms, measure: Measure, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> list[ArmSummary]:
    """Summarise each arm; see :func:`compare` for the arguments."""
    summaries = []
    for arm, scored in score_arms(arms, measure, resamples, seed).items():
        values = np.array(list(scored.values.values()))
        covariance = image_covariance(scored.resampled, scored.blocks.number)
        degrees = scored.blocks.degrees(scored.influence.mean(0))
        with_images = estimate(values, covariance, confidence, degrees)
        summaries.append(
            ArmSummary(
                arm,
                scored.values,
                float(with_images.mean),
                float(with_images.deviation),
                _within_scores(with_images.float_interval()),
                _within_scores(estimate(values, confidence=confidence).float_interval()),
            )
        )
    return summaries


def _within_scores(interval: Interval) -> Interval:
    """Cut an interval at 0 and 100 points: no score lies beyond."""
    low, high = (float(np.clip(end, 0, 100)) for end in interval)
    return Interval(low, high)


def compare(
    arms: Arms,
    measure: Measure,
    baseline: str | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    exploratory: bool = False,
) -> list[Comparison]:
    """Compare arms, each with the baseline, or every pair where there is none.

    Args:
        arms: the per-image scores of each seed of each arm, see :func:`segnet.ablation.statistics.read_arms`.
        measure: the score.
        baseline: the arm that all others are compared with; None compares every two.
        confidence: of the intervals; verdicts allow the rest as error, over all comparisons that this call makes.
        resamples: of the test images.
        seed: of the resampling.
        exploratory: the experiment was not planned to answer this; sentences say so.

    Raises:
        UserError: there is no such baseline.
    """
    if baseline is not None and baseline not in arms:
        raise UserError(f"there is no arm {baseline!r} to be the baseline: choose one of {', '.join(arms)}")
    if baseline is None:
        pairs = [(later, earlier) for earlier, later in itertools.combinations(arms, 2)]
    else:
        pairs = [(arm, baseline) for arm in arms if arm != baseline]
    scored = score_arms(arms, measure, resamples, seed, pairs)
    comparisons = [_compare_pair(pair, scored, measure.name, confidence, len(pairs)) for pair in pairs]
    corrected = holm([comparison.p_value for comparison in comparisons])
    return [
        replace(
            comparison,
            exploratory=exploratory,
            p_holm=float(p_holm),
            outcome=_outcome(comparison, float(p_holm), 1 - confidence),
        )
        for comparison, p_holm in zip(comparisons, corrected, strict=True)
    ]


def _compare_pair(
    pair: tuple[str, str], scored: dict[str, ScoredArm], measure: str, confidence: float, comparisons: int
) -> Comparison:
    arm, baseline = (scored[name] for name in pair)
    seeds = [seed for seed in arm.values if seed in baseline.values]
    values, resampled, influence = (
        of_arm - of_baseline for of_arm, of_baseline in zip(arm.of_seeds(seeds), baseline.of_seeds(seeds), strict=True)
    )
    differences, resampled = values, scorable(resampled)
    covariance = float(image_covariance(resampled, arm.blocks.number))
    degrees = arm.blocks.degrees(influence)
    estimated = estimate(differences, covariance, confidence, degrees)
    deviation = float(estimated.deviation)
    # Holm's first step asks for this level: it is enough for any results of the other comparisons.
    noise = (deviation, covariance, (1 - confidence) / comparisons, degrees) if deviation > 0 else None
    return Comparison(
        measure=measure,
        arm=pair[0],
        baseline=pair[1],
        differences=dict(zip(seeds, differences.tolist(), strict=True)),
        difference=float(estimated.mean),
        deviation=deviation,
        interval=estimated.float_interval(),
        seed_interval=estimate(differences, confidence=confidence).float_interval(),
        image_interval=image_interval(resampled, confidence),
        p_value=float(estimated.p_value),
        p_holm=np.nan,
        comparisons=comparisons,
        exploratory=False,
        effect_size=effect_size(differences),
        image_deviation=covariance**0.5,
        block_length=arm.blocks.length,
        blocks=arm.blocks.number,
        image_degrees=degrees,
        smallest_detectable=smallest_detectable(len(seeds), *noise) if noise else np.nan,
        seeds_needed=seeds_to_detect(TARGET_DIFFERENCE, *noise) if noise else None,
        target=TARGET_DIFFERENCE,
        **(analyse_design(TARGET_DIFFERENCE, len(seeds), *noise) if noise else Design(*[np.nan] * 3))._asdict(),
        # Half of the two-sided p-value: with a flat prior, the posterior chance of the other sign.
        false_claim=float(estimated.p_value) / 2,
        outcome="no verdict",
    )


def _outcome(comparison: Comparison, p_holm: float, alpha: float) -> Outcome:
    identical = all(value == 0 for value in comparison.differences.values())
    if not comparison.deviation > 0 and not (identical and len(comparison.differences) > 1):
        return "no verdict"
    if p_holm <= alpha:
        return "better" if comparison.difference > 0 else "worse"
    return "none"
