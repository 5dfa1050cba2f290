"""Scores of labels of which several may hold for a pixel."""

from dataclasses import replace

import numpy as np

from segnet.data.labels import Labels
from segnet.metrics.counts import class_iou, mean_iou
from segnet.tasks.segmentation.table import percent
from segnet.training.task import SplitResult

LABEL_DEFINITION = (
    "label mIoU: mean over the labels that occur of their IoU, that of the pixels where a label holds, whatever else "
    "holds there"
)


def label_scores(labels: Labels, confusion: np.ndarray) -> dict[str, float]:
    """Score labels by the confusion matrix ``(K, K)`` of the classes that hold them; NaN for what does not occur.

    Returns:
        ``label_miou`` and ``label_iou/<name>``.
    """
    counts = labels.counts(confusion)
    each = zip(labels.names, class_iou(counts).tolist(), strict=True)
    return {"label_miou": float(mean_iou(counts)), **{f"label_iou/{name}": value for name, value in each}}


def with_labels(result: SplitResult, labels: Labels | None, split: str) -> SplitResult:
    """Add the scores of labels to those of classes, in the first column of the table."""
    if labels is None:
        return result
    found = label_scores(labels, np.array(result.details["confusion"]))
    others = [""] * (len(result.table.columns) - 1)
    shown = {"mean IoU of labels": found["label_miou"]}
    shown |= {f"label {label}": found[f"label_iou/{label}"] for label in labels.names}
    rows = [(key, [percent(value), *others]) for key, value in shown.items()]
    definition = f"{result.details['definition']}; {LABEL_DEFINITION}"
    return replace(
        result,
        scores={**result.scores, **{f"{split}/{key}": value for key, value in found.items()}},
        table=replace(
            result.table,
            rows=[*result.table.rows, None, *rows],
            definition=f"{result.table.definition}; {LABEL_DEFINITION}",
        ),
        details={**result.details, "definition": definition},
    )
