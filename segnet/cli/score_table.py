"""Scores as a table in the terminal."""

from segnet.training.score_table import ScoreTable


def print_table(table: ScoreTable) -> None:
    """Print scores, and what they mean below them."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=table.title)
    drawn.add_column(table.key)
    for name in table.columns:
        drawn.add_column(name, justify="right")
    for row in table.rows:
        if row is None:
            drawn.add_section()
        else:
            drawn.add_row(row[0], *row[1])
    console = Console(markup=False)  # names of classes are the user's
    console.print(drawn)
    console.print(table.definition, style="dim", highlight=False)
