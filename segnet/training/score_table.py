"""A table of scores, as a task returns it and a command prints it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreTable:
    """A table for the terminal.

    Attributes:
        title: above the table.
        columns: names of the results that stand side by side; the first column, of the rows' names, is called ``key``.
        rows: name and one text per column; None stands for a line between two groups of rows.
        definition: what the scores mean, below the table.
        key: head of the first column.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]] | None]
    definition: str
    key: str = "score"
