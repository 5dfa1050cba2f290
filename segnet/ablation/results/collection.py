"""An experiment folder as one plain structure: every number that a table, a chart or a verdict of it shows."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import numpy as np

from segnet.ablation.design.files import SPLIT
from segnet.ablation.results.curves import fusion_weights, learning_curves, read_histories, trimap_curve
from segnet.ablation.results.experiment_folder import ExperimentFolder, compared_scores
from segnet.ablation.results.records import (
    ArmResult,
    ClassResult,
    Costs,
    EffectResult,
    Results,
    Row,
    ScoreResult,
    VariantResult,
)
from segnet.ablation.results.verdicts import collect_verdicts
from segnet.ablation.statistics import (
    MEASURES,
    MIOU,
    ArmSummary,
    Measure,
    factor_effects,
    groups_of,
    rare_classes,
    read_arms,
    summarise_arms,
)
from segnet.ablation.statistics.scoring import Arms
from segnet.metrics import BOUNDARY_DEFINITION, MIOU_DEFINITION, SMALL_OBJECT_DEFINITION, ImageScores, class_iou
from segnet.resampling.bootstrap import RESAMPLES
from segnet.resampling.interval import CONFIDENCE
from segnet.run_folder import read_metrics

FORMAT = 1
COSTS = tuple(Costs.__annotations__)


def collect(folder: ExperimentFolder, resamples: int = RESAMPLES) -> Results:
    """Collect the results of an experiment.

    Scores and differences are computed from the per-image counts of the runs by :mod:`segnet.ablation.statistics`.

    Args:
        folder: the experiment.
        resamples: of the test images.

    Raises:
        UserError: the per-image scores of a completed run cannot be read.
    """
    record = folder.record
    results: Results = {
        "format": FORMAT,
        "name": record["name"],
        "status": record["status"],
        "factors": _factors(folder),
        "baseline": record["baseline"],
        "primary": primary_measure(folder).key,
        "seeds": record["seeds"],
        "match": record.get("match"),
        "monitor": record.get("monitor", "val/miou"),
        "split": SPLIT,
        "confidence": CONFIDENCE,
        "resamples": resamples,
        "measures": [{"key": measure.key, "name": measure.name} for measure in _primary_first(folder)],
        "definitions": [MIOU_DEFINITION, BOUNDARY_DEFINITION, SMALL_OBJECT_DEFINITION],
        "variants": {kind: collect_variant(folder, kind, resamples) for kind in folder.kinds},
    }
    return cast(Results, plain_values(results))


def primary_measure(folder: ExperimentFolder) -> Measure:
    """Return the measure that the plan declares primary; mIoU where an older plan declares none."""
    return next(measure for measure in MEASURES if measure.key == folder.record.get("primary", MIOU.key))


def _primary_first(folder: ExperimentFolder) -> list[Measure]:
    primary = primary_measure(folder)
    return [primary, *(measure for measure in MEASURES if measure is not primary)]


def _factors(folder: ExperimentFolder) -> dict[str, list[str]]:
    """Return the levels of each factor, as the arms name them."""
    factors: dict[str, list[str]] = {}
    for arm in folder.plan["arms"].values():
        for factor, level in arm["levels"].items():
            levels = factors.setdefault(factor, [])
            if level not in levels:
                levels.append(level)
    return factors


def collect_variant(folder: ExperimentFolder, kind: str, resamples: int) -> VariantResult:
    """Collect the results of one comparison."""
    runs, primary = folder.completed(kind), primary_measure(folder)
    scores = read_arms(
        {arm: {seed: compared_scores(run) for seed, run in seeds.items()} for arm, seeds in runs.items()}
    )
    summaries = {
        measure.key: {summary.arm: summary for summary in summarise_arms(scores, measure, resamples=resamples)}
        for measure in (MEASURES if scores else ())
    }
    levels = {arm: folder.plan["arms"][arm]["levels"] for arm in folder.arms}
    arms: dict[str, ArmResult] = {}
    for arm in folder.arms:
        histories, seeds = read_histories(runs.get(arm, {})), scores.get(arm, {})
        arms[arm] = {
            "levels": levels[arm],
            "costs": _costs(folder, kind, arm),
            "scores": {key: _score(of_arms.get(arm)) for key, of_arms in summaries.items()},
            "classes": _class_scores(seeds),
            "learning": learning_curves(histories),
            "fusion": fusion_weights(histories),
            "trimap": trimap_curve(seeds),
        }
    effects = factor_effects(levels, scores, folder.record["baseline"], resamples, primary)
    costs = folder.costs.get(kind)
    return {
        "arms": arms,
        **collect_verdicts(scores, folder.runs(kind), folder.record["baseline"], primary, resamples),
        "effects": [cast(EffectResult, asdict(effect)) for effect in effects],
        "front": {cost: _front(arms, cost, primary.key) for cost in COSTS},
        "runs": [_run_row(folder, run, scores) for run in cast(list[Row], folder.runs(kind))],
        "images": len(_first(scores).names) if scores else 0,
        "groups": groups_of(_first(scores).groups).number if scores else 0,
        "rare_classes": rare_classes(_first(scores)) if scores else {},
        "cost_setting": costs["setting"] if costs else {},
    }


def _first(scores: Arms) -> ImageScores:
    return next(of_seed for seeds in scores.values() for of_seed in seeds.values())


def _score(summary: ArmSummary | None) -> ScoreResult | None:
    if summary is None:
        return None
    return cast(ScoreResult, {key: value for key, value in asdict(summary).items() if key != "arm"})


def _class_scores(seeds: Mapping[int, ImageScores]) -> dict[str, ClassResult]:
    if not seeds:
        return {}
    names = next(iter(seeds.values())).classes
    values = np.stack([100 * class_iou(scores.class_counts().sum(0)) for scores in seeds.values()])
    return {
        str(name): {
            "mean": float(of_class.mean()),
            "values": {str(seed): float(value) for seed, value in zip(seeds, of_class, strict=True)},
        }
        for name, of_class in zip(names, values.T, strict=True)
    }


def _costs(folder: ExperimentFolder, kind: str, arm: str) -> Costs:
    record = folder.costs.get(kind)
    measured: Mapping[str, Any] = record["arms"].get(arm, {}) if record else {}
    latency = measured.get("latency_ms", {})
    return {
        "params": measured.get("params"),
        "macs": measured.get("macs"),
        "plain_macs": measured.get("plain_macs"),
        "activation_bytes": measured.get("activation_bytes"),
        "index_bytes": measured.get("index_bytes"),
        "inference_ms": latency.get("inference", {}).get("median"),
        "training_step_ms": latency.get("training step", {}).get("median"),
    }


def _front(arms: Mapping[str, ArmResult], cost: str, primary: str) -> list[str]:
    """Return the arms that no other beats, by growing cost: as high a score for less, or a higher one for as much."""
    points = {
        name: (cast(Mapping[str, float], arm["costs"])[cost], cast(float, score["mean"]))
        for name, arm in arms.items()
        if cast(Mapping[str, float | None], arm["costs"])[cost] is not None and (score := arm["scores"].get(primary))
    }
    unbeaten = [
        (spent, name)
        for name, (spent, score) in points.items()
        if not any(
            (cheaper <= spent and better >= score) and (cheaper < spent or better > score)
            for cheaper, better in points.values()
        )
    ]
    return [name for _, name in sorted(unbeaten)]


def _run_row(folder: ExperimentFolder, run: Row, scores: Arms) -> Row:
    row = {key: run.get(key) for key in ("arm", "kind", "seed", "status", "error", "folder", "seconds")}
    row |= {f"level/{factor}": level for factor, level in folder.plan["arms"][run["arm"]]["levels"].items()}
    of_run = scores.get(run["arm"], {}).get(int(run["seed"]))
    if of_run is not None and run["status"] == "completed":
        row |= run_scores(of_run)
        metrics = read_metrics(folder.root / run["folder"])
        row |= {key: metrics.get(key) for key in ("epochs", "train_seconds", "device", "precision")}
    return row


def run_scores(scores: ImageScores) -> dict[str, float]:
    """Compute a run's scores on the split from its counts, in points, by the names of ``metrics.json``."""
    measures = {m.key: m.scale * float(m.statistic(m.counts(scores).sum(0).astype(float))) for m in MEASURES}
    iou = 100 * class_iou(scores.class_counts().sum(0))
    return measures | {f"iou/{name}": float(value) for name, value in zip(scores.classes, iou, strict=True)}


def plain_values(value: Any) -> Any:
    """Turn tuples into lists, keys into text, and numbers that are not finite into None, as JSON requires."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
