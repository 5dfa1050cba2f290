"""Curves of an arm over its seeds."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segnet.ablation.results.experiment_folder import read_curves
from segnet.ablation.results.records import Band, LearningCurves, TrimapCurve
from segnet.metrics import ImageScores

Histories = list[dict[str, list[float | None]]]


def read_histories(runs: Mapping[int, Path]) -> Histories:
    """Read the columns of ``history.csv`` of all runs that have one; of all only the epochs that every run has."""
    histories = [history for history in map(read_curves, runs.values()) if history]
    epochs = min((len(history["epoch"]) for history in histories), default=0)
    return [{column: values[:epochs] for column, values in history.items()} for history in histories]


def learning_curves(histories: Histories) -> LearningCurves:
    """Collect losses and mIoU over the epochs; a curve that a seed lacks is left out."""
    if not histories:
        return {}
    curves: LearningCurves = {"epoch": list(range(1, len(histories[0]["epoch"]) + 1))}
    if all("train/loss" in history for history in histories):
        curves["train/loss"] = _column_band(histories, "train/loss")
    if all("val/loss" in history for history in histories):
        curves["val/loss"] = _column_band(histories, "val/loss")
    if all("val/miou" in history for history in histories):
        curves["val/miou"] = _column_band(histories, "val/miou", scale=100)
    return curves


def fusion_weights(histories: Histories) -> dict[str, Band]:
    """Collect the weights of linear fusions over the epochs; empty where there are none."""
    return {
        name.removeprefix("fusion/"): _column_band(histories, name)
        for name in (histories[0] if histories else ())
        if name.startswith("fusion/") and all(name in history for history in histories)
    }


def trimap_curve(seeds: Mapping[int, ImageScores]) -> TrimapCurve:
    """Collect mIoU in bands around the boundaries."""
    if not seeds:
        return {}
    curves = [scores.trimap_curve() for scores in seeds.values()]
    return {"width": curves[0]["width"].tolist(), "miou": band([100 * curve["miou"] for curve in curves])}


def band(curves: list[npt.NDArray[np.float64]]) -> Band:
    """Return mean, smallest and largest value over the curves ``(T,)``, at each point."""
    values = np.stack(curves)
    return {"mean": values.mean(0).tolist(), "low": values.min(0).tolist(), "high": values.max(0).tolist()}


def _column_band(histories: Histories, column: str, scale: float = 1.0) -> Band:
    return band([scale * np.array(history[column], dtype=float) for history in histories])
