"""The comparison of arms: differences paired by seed, their intervals, and a sentence on each pair."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from segnet.ablation.statistics.bootstrap import RESAMPLES, bootstrap_values, image_covariance, image_interval
from segnet.ablation.statistics.estimates import CONFIDENCE, Interval, effect_size, estimate, holm
from segnet.ablation.statistics.measures import Measure
from segnet.ablation.statistics.power import seeds_to_detect, smallest_detectable
from segnet.ablation.statistics.sentence import verdict_sentence
from segnet.errors import UserError
from segnet.metrics.image_scores import ImageScores

TARGET_DIFFERENCE = 0.5
Arms = Mapping[str, Mapping[int, ImageScores]]


@dataclass(frozen=True)
class ArmSummary:
    """One arm's score, in the measure's points.

    Attributes:
        arm: its name.
        values: the score of each seed.
        mean, deviation: over the seeds; the deviation is NaN for one seed.
        interval: for the mean, for further seeds and further images; NaN for one seed.
        seed_interval: for further seeds, scored on these very images (Student's t); NaN for one seed.
    """

    arm: str
    values: dict[int, float]
    mean: float
    deviation: float
    interval: Interval
    seed_interval: Interval


@dataclass(frozen=True)
class Comparison:
    """One arm against another, in the measure's points; NaN is "cannot be said".

    Attributes:
        measure: name of the score.
        arm, baseline: names of the two.
        differences: arm minus baseline for each seed that both have.
        difference, deviation: their mean and their standard deviation over seeds.
        interval: for the mean, for further seeds and further images; the one that the verdict shows.
        seed_interval: for further seeds, scored on these very images (Student's t).
        image_interval: for further images, scored by these very networks (percentile bootstrap).
        p_value: of no difference, from ``interval``'s noise.
        p_holm: the same, corrected for all comparisons of the experiment (Holm).
        comparisons: how many these are.
        effect_size: Hedges' g of the paired differences over seeds.
        image_deviation: standard deviation of what the images do to the difference at every seed.
        smallest_detectable: difference that would be found with a chance of 80% at this noise, with these seeds.
        seeds_needed: seeds to find a difference of ``target`` with that chance; None where 1000 are
            not enough, or where the noise is not known.
        target: that difference, 0.5 points.
        outcome: "better", "worse", "none" (no difference detected) or "no verdict".
        verdict: the sentence.
    """

    measure: str
    arm: str
    baseline: str
    differences: dict[int, float]
    difference: float
    deviation: float
    interval: Interval
    seed_interval: Interval
    image_interval: Interval
    p_value: float
    p_holm: float
    comparisons: int
    effect_size: float
    image_deviation: float
    smallest_detectable: float
    seeds_needed: int | None
    target: float
    outcome: str
    verdict: str


@dataclass(frozen=True)
class _Scored:
    """One arm: the score of each seed, and on each resample ``(R, S)``; the resamples are the same for all arms."""

    values: dict[int, float]
    resampled: np.ndarray


def summarise_arms(
    arms: Arms, measure: Measure, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> list[ArmSummary]:
    """Summarise each arm; see :func:`compare` for the arguments."""
    summaries = []
    for arm, scored in _score(arms, measure, resamples, seed).items():
        values = np.array(list(scored.values.values()))
        whole = estimate(values, image_covariance(scored.resampled, _images(arms)), confidence)
        alone = estimate(values, confidence=confidence)
        spread = (float(whole.mean), float(whole.deviation), _plain(whole.interval), _plain(alone.interval))
        summaries.append(ArmSummary(arm, scored.values, *spread))
    return summaries


def compare(
    arms: Arms,
    measure: Measure,
    baseline: str | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Compare arms, each with the baseline, or every pair where there is none.

    Args:
        arms: the per-image scores of each seed of each arm, see :func:`segnet.ablation.statistics.read_arms`.
        measure: the score.
        baseline: the arm that all others are compared with; None compares every two.
        confidence: of the intervals; verdicts allow the rest as error, over the whole family of comparisons.
        resamples: of the test images.
        seed: of the resampling.

    Raises:
        UserError: there is no such baseline.
    """
    if baseline is not None and baseline not in arms:
        raise UserError(f"there is no arm {baseline!r} to be the baseline: choose one of {', '.join(arms)}")
    scored = _score(arms, measure, resamples, seed)
    if baseline is None:
        pairs = [(later, earlier) for earlier, later in itertools.combinations(arms, 2)]
    else:
        pairs = [(arm, baseline) for arm in arms if arm != baseline]
    found = [
        _compare_pair(arm, other, scored, measure, _images(arms), confidence, comparisons=len(pairs))
        for arm, other in pairs
    ]
    corrected = holm(np.array([comparison.p_value for comparison in found]))
    return [_conclude(comparison, float(p), 1 - confidence) for comparison, p in zip(found, corrected, strict=True)]


def _images(arms: Arms) -> int:
    return len(next(scores for seeds in arms.values() for scores in seeds.values()).names)


def _score(arms: Arms, measure: Measure, resamples: int, seed: int) -> dict[str, _Scored]:
    scored = {}
    for arm, seeds in arms.items():
        counts = np.stack([measure.counts(scores) for scores in seeds.values()])
        values = measure.scale * measure.statistic(counts.sum(1).astype(float))
        # Equal resamples from equal seeds: arm by arm takes less memory than all at once.
        resampled = measure.scale * bootstrap_values(counts, measure.statistic, resamples, seed)
        scored[arm] = _Scored(dict(zip(seeds, values.tolist(), strict=True)), resampled)
    return scored


def _compare_pair(
    arm: str,
    baseline: str,
    scored: dict[str, _Scored],
    measure: Measure,
    images: int,
    confidence: float,
    comparisons: int,
) -> Comparison:
    one, other = scored[arm], scored[baseline]
    seeds = [seed for seed in one.values if seed in other.values]
    differences = np.array([one.values[seed] - other.values[seed] for seed in seeds])
    resampled = _columns(one, seeds) - _columns(other, seeds)
    resampled = resampled[np.isfinite(resampled).all(-1)]  # without what leaves nothing to score
    covariance = float(image_covariance(resampled, images))
    found = estimate(differences, covariance, confidence)
    deviation = float(found.deviation)
    # What Holm's first step asks for: enough whatever the other comparisons give.
    noise = (deviation, covariance, (1 - confidence) / comparisons) if deviation > 0 else None
    return Comparison(
        measure=measure.name,
        arm=arm,
        baseline=baseline,
        differences=dict(zip(seeds, differences.tolist(), strict=True)),
        difference=float(found.mean),
        deviation=deviation,
        interval=_plain(found.interval),
        seed_interval=_plain(estimate(differences, confidence=confidence).interval),
        image_interval=image_interval(resampled, confidence),
        p_value=float(found.p_value),
        p_holm=np.nan,
        comparisons=comparisons,
        effect_size=effect_size(differences),
        image_deviation=covariance**0.5,
        smallest_detectable=smallest_detectable(len(seeds), *noise) if noise else np.nan,
        seeds_needed=seeds_to_detect(TARGET_DIFFERENCE, *noise) if noise else None,
        target=TARGET_DIFFERENCE,
        outcome="no verdict",
        verdict="",
    )


def _columns(scored: _Scored, seeds: list[int]) -> np.ndarray:
    places = [list(scored.values).index(seed) for seed in seeds]
    return scored.resampled[:, places]


def _conclude(comparison: Comparison, p_holm: float, alpha: float) -> Comparison:
    """Add what depends on the other comparisons: the corrected p-value, the outcome and the sentence."""
    identical = all(value == 0 for value in comparison.differences.values())
    if not comparison.deviation > 0 and not (identical and len(comparison.differences) > 1):
        outcome = "no verdict"
    elif p_holm <= alpha:
        outcome = "better" if comparison.difference > 0 else "worse"
    else:
        outcome = "none"
    comparison = replace(comparison, p_holm=p_holm, outcome=outcome)
    return replace(comparison, verdict=verdict_sentence(comparison))


def _plain(interval: Interval) -> Interval:
    return Interval(float(interval.low), float(interval.high))
