"""The verdict on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from segnet.ablation.report.tables import first_table

SHORT = {"boundary F1": "bound. F1", "parameters": "params", "multiplications": "MACs"}


def print_results(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the table of arms and a sentence for each comparison with the baseline."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(width=140, file=console.file)
    for kind, variant in results["variants"].items():
        made = first_table(results, kind)
        table = Table(title=f"{results['name']}, {made.title.lower()}: {results['split']} split, mean over seeds")
        for place, column in enumerate(made.columns):
            table.add_column(SHORT.get(column, column), justify="left" if place == 0 else "right", no_wrap=place < 3)
        for row in made.rows:
            # In the width of a terminal there is room for one interval.
            table.add_row(
                *(f"{cell.text} {cell.detail}" if place == 2 else cell.text for place, cell in enumerate(row))
            )
        console.print(table)
        for found in variant["comparisons"].get("miou", []):
            console.print(f"- {found['verdict']}", highlight=False, markup=False, soft_wrap=True)
        if variant["skipped"]:
            console.print(f"- nothing is compared: {variant['skipped']}", highlight=False, markup=False)
