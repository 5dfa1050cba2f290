"""The verdict on the terminal."""

from rich.console import Console
from rich.table import Table

from segnet.ablation.report.tables import first_table
from segnet.ablation.results.records import Results

SHORT = {"boundary F1": "bound. F1", "parameters": "params"}


def print_results(results: Results, console: Console | None = None) -> None:
    """Print the table of arms and a sentence for each comparison with the baseline."""
    console = console or Console(markup=False)
    if not console.is_terminal:
        console = Console(width=140, file=console.file, markup=False)
    for kind, variant in results["variants"].items():
        cells = first_table(results, kind)
        table = Table(title=f"{results['name']}, {cells.title.lower()}: {results['split']} split, mean over seeds")
        for place, column in enumerate(cells.columns):
            table.add_column(SHORT.get(column, column), justify="left" if place == 0 else "right", no_wrap=place < 3)
        for row in cells.rows:
            # In the width of a terminal there is room for one interval.
            table.add_row(
                *(f"{cell.text} {cell.detail}" if place == 2 else cell.text for place, cell in enumerate(row))
            )
        console.print(table)
        for comparison in variant["comparisons"].get(results["primary"], []):
            console.print(f"- {comparison['verdict']}", highlight=False, markup=False, soft_wrap=True)
        for sentence in variant["without_runs"]:
            console.print(f"- {sentence}", highlight=False, markup=False, soft_wrap=True)
        if variant["skipped"]:
            console.print(f"- nothing is compared: {variant['skipped']}", highlight=False, markup=False)
