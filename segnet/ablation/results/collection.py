"""An experiment folder as one plain structure: every number that a table, a chart or a verdict of it shows."""

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segnet.ablation.results.curves import fusion_weights, learning_curves, trimap_curves
from segnet.ablation.results.experiment_folder import SCORES, ExperimentFolder, read_metrics
from segnet.ablation.statistics import MEASURES, MIOU, class_measure, compare, read_arms, summarise_arms
from segnet.ablation.statistics.bootstrap import RESAMPLES
from segnet.ablation.statistics.effects import factor_effects
from segnet.ablation.statistics.estimates import CONFIDENCE
from segnet.metrics import BOUNDARY_DEFINITION, MIOU_DEFINITION, SMALL_OBJECT_DEFINITION, ImageScores, class_iou
from segnet.metrics.counts import class_counts

FORMAT = 1
COSTS = ("params", "macs", "plain_macs", "activation_bytes", "index_bytes", "inference_ms", "training_step_ms")
"""Costs of an arm in the results, each smaller the better."""
Scores = Mapping[str, Mapping[int, ImageScores]]


def collect(folder: ExperimentFolder, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Collect an experiment.

    Scores and differences are computed from the per-image counts of the runs by :mod:`segnet.ablation.statistics`; the
    files that say what was done (plan, fairness, costs) come along as they are.

    Args:
        folder: the experiment.
        resamples: of the test images.

    Returns:
        Plain values; scores in points (0..100), NaN as None. ``variants`` has for "as_is" and, if it was run,
        "matched" what :func:`collect_variant` says.

    Raises:
        UserError: the per-image scores of a completed run cannot be read.
    """
    record = folder.record
    return plain(
        {
            "format": FORMAT,
            "name": record["name"],
            "status": record["status"],
            "factors": _factors(folder),
            "baseline": record["baseline"],
            "seeds": record["seeds"],
            "match": record.get("match"),
            "monitor": record.get("monitor", "val/miou"),
            "split": SCORES.stem,
            "confidence": CONFIDENCE,
            "resamples": resamples,
            "measures": [{"key": measure.key, "name": measure.name} for measure in MEASURES],
            "definitions": [MIOU_DEFINITION, BOUNDARY_DEFINITION, SMALL_OBJECT_DEFINITION],
            "variants": {kind: collect_variant(folder, kind, resamples) for kind in folder.kinds},
        }
    )


def _factors(folder: ExperimentFolder) -> dict[str, list[str]]:
    """Return the levels of each factor, as the arms name them."""
    factors: dict[str, list[str]] = {}
    for arm in folder.plan["arms"].values():
        for factor, level in arm["levels"].items():
            levels = factors.setdefault(factor, [])
            if level not in levels:
                levels.append(level)
    return factors


def collect_variant(folder: ExperimentFolder, kind: str, resamples: int) -> dict[str, Any]:
    """Collect one comparison.

    Returns:
        ``arms``: for each arm its levels, costs, scores, IoU of each class, learning and trimap curves;
        ``comparisons``: for each measure a comparison of each arm with the baseline; ``pairs``: of mIoU, every two
        arms; ``classes``: for each class the comparisons of its IoU; ``effects``: of two factors, see
        :func:`segnet.ablation.statistics.effects.factor_effects`; ``front``: for each cost the arms that none beats in
        both cost and mIoU; ``runs``: a row a run; ``images``, ``cost_setting``, ``skipped``: why nothing is compared.
    """
    done = folder.done(kind)
    files = {arm: {seed: run / SCORES for seed, run in seeds.items()} for arm, seeds in done.items()}
    scores = read_arms(files)
    baseline = folder.record["baseline"]
    summaries = {
        measure.key: {one.arm: one for one in summarise_arms(scores, measure, resamples=resamples)}
        for measure in (MEASURES if scores else ())
    }
    arms = {
        arm: {
            "levels": folder.plan["arms"][arm]["levels"],
            "costs": _costs(folder, kind, arm),
            "scores": {key: _summary(of_arms.get(arm)) for key, of_arms in summaries.items()},
            **_curves(arm, done, scores),
        }
        for arm in folder.arms
    }
    return {
        "arms": arms,
        **_comparisons(scores, baseline, resamples),
        "effects": factor_effects(
            {a: folder.plan["arms"][a]["levels"] for a in folder.arms}, scores, baseline, resamples
        ),
        "front": {cost: _front(arms, cost) for cost in COSTS},
        "runs": [_run_row(folder, run, scores) for run in folder.runs(kind)],
        "images": len(_any(scores).names) if scores else 0,
        "cost_setting": folder.costs.get(kind, {}).get("setting", {}),
    }


def _any(scores: Scores) -> ImageScores:
    return next(one for seeds in scores.values() for one in seeds.values())


def _summary(summary: Any) -> dict[str, Any] | None:
    return None if summary is None else {key: value for key, value in asdict(summary).items() if key != "arm"}


def _curves(arm: str, done: Mapping[str, Mapping[int, Path]], scores: Scores) -> dict[str, Any]:
    runs = done.get(arm, {})
    return {
        "classes": _class_scores(scores.get(arm, {})),
        "learning": learning_curves(runs),
        "fusion": fusion_weights(runs),
        "trimap": trimap_curves(scores.get(arm, {})),
    }


def _class_scores(seeds: Mapping[int, ImageScores]) -> dict[str, Any]:
    """Return mean IoU over seeds and that of each seed, for each class, in points."""
    if not seeds:
        return {}
    names = [str(name) for name in next(iter(seeds.values())).classes]
    values = np.stack([100 * class_iou(class_counts(one.confusions).sum(0)) for one in seeds.values()])
    return {
        name: {"mean": values[:, place].mean(), "values": dict(zip(seeds, values[:, place].tolist(), strict=True))}
        for place, name in enumerate(names)
    }


def _comparisons(scores: Scores, baseline: str, resamples: int) -> dict[str, Any]:
    """Compare where there is something to compare, and say why not."""
    if len(scores) < 2 or baseline not in scores:
        reason = "only one arm has completed runs" if scores else "no run is completed"
        if scores and baseline not in scores:
            reason = f"no run of the baseline {baseline} is completed"
        return {"comparisons": {}, "pairs": [], "classes": {}, "skipped": reason}
    names = [str(name) for name in _any(scores).classes]
    occurring = [
        place
        for place in range(len(names))
        if any(one.confusions[:, place].any() for seeds in scores.values() for one in seeds.values())
    ]
    return {
        "comparisons": {m.key: compare(scores, m, baseline, resamples=resamples) for m in MEASURES},
        "pairs": compare(scores, MIOU, resamples=resamples),
        "classes": {
            names[place]: compare(scores, class_measure(place, names[place]), baseline, resamples=resamples)
            for place in occurring
        },
        "skipped": None,
    }


def _costs(folder: ExperimentFolder, kind: str, arm: str) -> dict[str, Any]:
    found = folder.costs.get(kind, {}).get("arms", {}).get(arm, {})
    latency = found.get("latency_ms", {})
    return {cost: found.get(cost) for cost in COSTS[:-2]} | {
        "inference_ms": latency.get("inference", {}).get("median"),
        "training_step_ms": latency.get("training step", {}).get("median"),
    }


def _front(arms: Mapping[str, Mapping[str, Any]], cost: str) -> list[str]:
    """Return the arms, by growing cost, of which no other has as high a score for less, or a higher one for as much."""
    points = [
        (one["costs"][cost], one["scores"]["miou"]["mean"], name)
        for name, one in arms.items()
        if one["costs"][cost] is not None and one["scores"].get("miou")
    ]
    best = [
        (spent, name)
        for spent, score, name in points
        if not any(
            other <= spent and better >= score and (other < spent or better > score) for other, better, _ in points
        )
    ]
    return [name for _, name in sorted(best)]


def _run_row(folder: ExperimentFolder, run: Mapping[str, Any], scores: Scores) -> dict[str, Any]:
    row = {key: run.get(key) for key in ("arm", "kind", "seed", "status", "error", "folder", "seconds")}
    row |= {f"level/{factor}": level for factor, level in folder.plan["arms"][run["arm"]]["levels"].items()}
    one = scores.get(run["arm"], {}).get(int(run["seed"]))
    if one is not None and run["status"] == "completed":
        row |= run_scores(one)
        metrics = read_metrics(folder.root / run["folder"])
        row |= {key: metrics.get(key) for key in ("epochs", "train_seconds", "device", "precision")}
    return row


def run_scores(one: ImageScores) -> dict[str, float]:
    """Compute a run's scores on the split from its counts, in points, by the names of ``metrics.json``."""
    scores = {m.key: m.scale * float(m.statistic(m.counts(one).sum(0).astype(float))) for m in MEASURES}
    iou = 100 * class_iou(class_counts(one.confusions).sum(0))
    return scores | {f"iou/{name}": float(value) for name, value in zip(one.classes, iou, strict=True)}


def plain(value: Any) -> Any:
    """Turn dataclasses, tuples, arrays and NaN into what JSON knows; keys become text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
