"""Scores in words: for the terminal, the page and the table of images."""

import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from segnet.metrics import (
    BOUNDARY_DEFINITION,
    CALIBRATION_DEFINITION,
    MIOU_DEFINITION,
    SMALL_OBJECT_DEFINITION,
    calibration_error,
    image_f1,
)
from segnet.metrics.calibration import UNITS
from segnet.metrics.counts import class_iou
from segnet.resampling import Interval
from segnet.tasks.segmentation.evaluation.collection import Collected
from segnet.tasks.segmentation.evaluation.estimates import Estimates
from segnet.training.score_table import ScoreTable

MISSING = "–"  # noqa: RUF001 - an en dash
MEASURES = {
    "miou": "mean IoU",
    "dice": "mean Dice",
    "class_accuracy": "mean class accuracy",
    "pixel_accuracy": "pixel accuracy",
    "boundary_f1": "boundary F1",
    "boundary_iou": "boundary IoU",
    "small_object_iou": "small-object IoU",
    "calibration_error": "calibration error",
    "overconfidence": "overconfidence",
}
"""Names of the scores of a whole split."""
CLASS_DEFINITION = (
    "accuracy of a class: share of its labelled pixels that are predicted right; precision: share of the pixels "
    "predicted as it that are; Dice: twice the intersection over the sum of both areas; the mean Dice and the mean "
    "class accuracy are over the classes that have one. Boundary F1 of a class: mean over the images whose label has a "
    "boundary of it"
)
OVERCONFIDENCE_DEFINITION = (
    "overconfidence: mean probability of the predicted class minus the share of right pixels; below 0 the network is "
    "right more often than it is sure"
)
DEFINITIONS = (
    MIOU_DEFINITION,
    CLASS_DEFINITION,
    BOUNDARY_DEFINITION,
    SMALL_OBJECT_DEFINITION,
    CALIBRATION_DEFINITION,
    OVERCONFIDENCE_DEFINITION,
)


def percent(share: float, digits: int = 1) -> str:
    """Write a share in percent: "62.0"; a dash where there is none."""
    if math.isnan(share):
        return MISSING
    text = f"{100 * share:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "\N{MINUS SIGN}")


def interval_text(interval: Interval) -> str:
    """Write an interval in percent: "[60.4, 63.5]"; empty where there is none."""
    return "" if math.isnan(interval.low) else f"[{percent(interval.low)}, {percent(interval.high)}]"


def terminal_table(estimates: Estimates, classes: Sequence[str], split: str) -> ScoreTable:
    """Set out the scores of each class, and below them those of the whole split."""
    scores = estimates.scores
    rows: list[tuple[str, Sequence[str]] | None] = [
        (
            name,
            [
                percent(scores[f"iou/{name}"].value),
                interval_text(scores[f"iou/{name}"].interval),
                *(percent(scores[f"{kind}/{name}"].value) for kind in ("accuracy", "dice", "boundary_f1")),
            ],
        )
        for name in classes
    ]
    rows.append(None)
    for key, name in MEASURES.items():
        rows.append((name, [percent(scores[key].value), interval_text(scores[key].interval), "", "", ""]))
    columns = ["IoU", "95% interval", "accuracy", "Dice", "boundary F1"]
    return ScoreTable(f"scores on the {split} split, %", columns, rows, MIOU_DEFINITION, key="class")


def images_csv(collected: Collected) -> str:
    """Write a row for each image: its own scores, in 0..1, and its IoU of each class; empty where there is none."""
    images = collected.images
    counts = images.class_counts()
    boundary = image_f1(images.boundary_f1)[..., 0]
    pixels, right, confidence = collected.calibration.sum(-1).T.astype(float)
    scored = np.maximum(pixels, 1)
    columns: dict[str, np.ndarray] = {
        "miou": collected.image_mious(),
        "pixel_accuracy": np.where(pixels > 0, right / scored, np.nan),
        "boundary_f1": np.where(boundary[:, 1] > 0, boundary[:, 0], np.nan),
        "mean_confidence": np.where(pixels > 0, confidence / UNITS / scored, np.nan),
        "calibration_error": calibration_error(collected.calibration),
        **{f"iou/{name}": iou for name, iou in zip(images.classes, class_iou(counts).T, strict=True)},
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "group", "scored_pixels", *columns])
    for place, name in enumerate(images.names):
        values = [column[place] for column in columns.values()]
        own = ["" if np.isnan(value) else f"{value:.6f}" for value in values]
        writer.writerow([name, images.groups[place], int(pixels[place]), *own])
    return text.getvalue()
