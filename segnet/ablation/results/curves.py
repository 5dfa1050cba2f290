"""Curves of an arm over its seeds: each has the mean, the smallest and the largest value at each point."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segnet.ablation.results.experiment_folder import read_curves
from segnet.metrics import ImageScores

LEARNING = ("train/loss", "val/loss", "val/miou")
_POINTS = {"val/miou": 100}


def learning_curves(runs: Mapping[int, Path]) -> dict[str, Any]:
    """Collect the history of an arm's runs, mIoU in points; only epochs that every seed has.

    Returns:
        ``epoch``: counted from 1; for each of "train/loss", "val/loss" and "val/miou" a band, see :func:`band`.
    """
    histories = [history for history in map(read_curves, runs.values()) if history]
    if not histories:
        return {}
    epochs = min(len(history["epoch"]) for history in histories)
    columns = [column for column in LEARNING if all(column in history for history in histories)]
    return {"epoch": list(range(1, epochs + 1))} | {
        column: band([_numbers(history[column][:epochs], _POINTS.get(column, 1)) for history in histories])
        for column in columns
    }


def fusion_weights(runs: Mapping[int, Path]) -> dict[str, Any]:
    """Collect the weights of linear fusions over the epochs: a band for each weight; empty where there are none."""
    histories = [history for history in map(read_curves, runs.values()) if history]
    names = [column for column in (histories[0] if histories else ()) if column.startswith("fusion/")]
    epochs = min((len(history["epoch"]) for history in histories), default=0)
    return {
        name.removeprefix("fusion/"): band([_numbers(history[name][:epochs]) for history in histories])
        for name in names
        if all(name in history for history in histories)
    }


def trimap_curves(seeds: Mapping[int, ImageScores]) -> dict[str, Any]:
    """Collect mIoU, in points, in bands around the boundaries: ``width`` in pixels, and a band ``miou``."""
    if not seeds:
        return {}
    curves = [scores.trimap_curve() for scores in seeds.values()]
    return {"width": curves[0]["width"].tolist(), "miou": band([100 * curve["miou"] for curve in curves])}


def band(curves: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return mean, smallest and largest value over the curves ``(T,)``, at each point."""
    values = np.stack(curves)
    return {"mean": values.mean(0), "low": values.min(0), "high": values.max(0)}


def _numbers(values: list[float | None], scale: float = 1.0) -> np.ndarray:
    return scale * np.array([np.nan if value is None else value for value in values])
