"""Tables on the terminal."""

from rich.console import Console
from rich.table import Table

from segnet.metrics import MIOU_DEFINITION, Scores


def print_scores(classes: list[str], columns: dict[str, Scores], split: str) -> None:
    """Print the IoU of each class, one column for each named result, in percent."""
    table = Table(title=f"IoU on the {split} split, %")
    table.add_column("class")
    for name in columns:
        table.add_column(name, justify="right")
    for index, name in enumerate(classes):
        table.add_row(name, *(_percent(result.iou[index].item()) for result in columns.values()))
    table.add_section()
    for field in ("miou", "class_accuracy", "pixel_accuracy"):
        label = "mean IoU" if field == "miou" else field.replace("_", " ")
        table.add_row(label, *(_percent(getattr(result, field)) for result in columns.values()))
    console = Console()
    console.print(table)
    console.print(MIOU_DEFINITION, style="dim", highlight=False)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if share == share else "-"
