"""The verdicts of an experiment: the comparisons of its arms, and what a reader must know of their runs."""

from dataclasses import asdict
from typing import cast

from segnet.ablation.execution.records import RunEntry
from segnet.ablation.results.records import ComparisonResult, OutlierResult, Verdicts
from segnet.ablation.statistics import (
    MEASURES,
    Comparison,
    Measure,
    Outlier,
    class_measure,
    compare,
    find_outliers,
    verdict_sentence,
)
from segnet.ablation.statistics.scoring import Arms


def collect_verdicts(scores: Arms, runs: list[RunEntry], baseline: str, measure: Measure, resamples: int) -> Verdicts:
    """Compare the arms, or say why there is nothing to compare.

    Args:
        scores: per-image scores of the completed runs.
        runs: all runs of this comparison, completed or not.
        baseline: the arm that the others are compared with.
        measure: the primary one.
        resamples: of the test images.
    """
    outliers = find_outliers(_values(scores, measure))
    verdicts: Verdicts = {
        "primary": measure.key,
        "comparisons": {},
        "pairs": [],
        "classes": {},
        "outliers": [cast(OutlierResult, asdict(outlier)) for outlier in outliers],
        "without_runs": _without_runs(runs),
        "skipped": _skipped(scores, baseline),
    }
    if verdicts["skipped"] is not None:
        return verdicts

    def compared(one: Measure, reference: str | None) -> list[ComparisonResult]:
        exploratory = one is not measure or reference is None
        return list(map(_with_verdict, compare(scores, one, reference, resamples=resamples, exploratory=exploratory)))

    primary = compared(measure, baseline)
    _name_missing_seeds(primary, runs)
    _without_outliers(primary, scores, outliers, measure, resamples)
    verdicts["comparisons"] = {one.key: primary if one is measure else compared(one, baseline) for one in MEASURES}
    verdicts["pairs"] = compared(measure, None)
    names = next(of_seed.classes for seeds in scores.values() for of_seed in seeds.values())
    for index, name in enumerate(names):
        if any(of_seed.confusions[:, index].any() for seeds in scores.values() for of_seed in seeds.values()):
            verdicts["classes"][str(name)] = compared(class_measure(index, str(name)), baseline)
    return verdicts


def _skipped(scores: Arms, baseline: str) -> str | None:
    if not scores:
        return "no run is completed"
    if baseline not in scores:
        return f"no run of the baseline {baseline} is completed"
    return "only one arm has completed runs" if len(scores) < 2 else None


def _with_verdict(comparison: Comparison) -> ComparisonResult:
    return cast(ComparisonResult, asdict(comparison) | {"verdict": verdict_sentence(comparison)})


def _values(scores: Arms, measure: Measure) -> dict[str, dict[int, float]]:
    return {
        arm: {
            seed: measure.scale * float(measure.statistic(measure.counts(of_seed).sum(0).astype(float)))
            for seed, of_seed in seeds.items()
        }
        for arm, seeds in scores.items()
    }


def _missing(runs: list[RunEntry], arm: str) -> list[str]:
    return [f"seed {run['seed']} {run['status']}" for run in runs if run["arm"] == arm and run["status"] != "completed"]


def _without_runs(runs: list[RunEntry]) -> list[str]:
    """Write a sentence for each arm without a completed run."""
    completed = {run["arm"] for run in runs if run["status"] == "completed"}
    arms = dict.fromkeys(run["arm"] for run in runs if run["arm"] not in completed)
    return [f"no verdict on {arm}: none of its runs is completed ({', '.join(_missing(runs, arm))})" for arm in arms]


def _name_missing_seeds(comparisons: list[ComparisonResult], runs: list[RunEntry]) -> None:
    for comparison in comparisons:
        for arm in (comparison["arm"], comparison["baseline"]):
            if missing := _missing(runs, arm):
                comparison["verdict"] += f"; {arm} lacks runs: {', '.join(missing)}"


def _without_outliers(
    comparisons: list[ComparisonResult], scores: Arms, outliers: list[Outlier], measure: Measure, resamples: int
) -> None:
    """Add to a verdict on an arm with outliers what it would be without them; the arms and seeds left are the same."""
    if not outliers:
        return
    left_out = {(outlier.arm, outlier.seed) for outlier in outliers}
    kept = {
        arm: {seed: of_seed for seed, of_seed in seeds.items() if (arm, seed) not in left_out}
        for arm, seeds in scores.items()
    }
    again = compare(kept, measure, comparisons[0]["baseline"], resamples=resamples)
    for comparison, without in zip(comparisons, again, strict=True):
        named = [
            f"{outlier.arm}, seed {outlier.seed} ({outlier.value:.1f}, median of its arm {outlier.median:.1f})"
            for outlier in outliers
            if outlier.arm in (comparison["arm"], comparison["baseline"])
        ]
        if named:
            comparison["verdict"] += f"; without the outlier {' and '.join(named)}: {verdict_sentence(without)}"
