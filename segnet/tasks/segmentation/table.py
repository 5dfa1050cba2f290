"""The table of a segmentation's scores."""

from collections.abc import Mapping, Sequence

from segnet.metrics import MIOU_DEFINITION, Scores
from segnet.training.score_table import ScoreTable


def score_table(classes: Sequence[str], columns: Mapping[str, Scores], split: str) -> ScoreTable:
    """Set out the IoU of each class and the means, one column for each named result, in percent."""
    rows: list[tuple[str, Sequence[str]] | None] = [
        (name, [percent(result.iou[index].item()) for result in columns.values()]) for index, name in enumerate(classes)
    ]
    rows.append(None)
    for field in ("miou", "class_accuracy", "pixel_accuracy"):
        label = "mean IoU" if field == "miou" else field.replace("_", " ")
        rows.append((label, [percent(getattr(result, field)) for result in columns.values()]))
    return ScoreTable(f"IoU on the {split} split, %", list(columns), rows, MIOU_DEFINITION, key="class")


def percent(share: float) -> str:
    """Write a share in percent; a dash where there is none."""
    return f"{100 * share:.1f}" if share == share else "-"
