"""What the charts of an experiment share.

A trace's ``meta`` is the arm that it belongs to, so that the page can bring out one arm in all charts.
"""

from collections.abc import Sequence
from typing import TypedDict

from segnet.ablation.results.records import Number, Numbers
from segnet.pages.charts import PlotlyValues

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star", "pentagon", "hexagon")
COLOURS = 8
DASHES = ("solid", "dash", "dot")


class ArmStyle(TypedDict):
    """How an arm is drawn in all charts."""

    colour: str
    symbol: str
    dash: str


def arm_style(place: int) -> ArmStyle:
    """Return the style of the arm at a place of the plan: no two arms share colour, symbol and dash."""
    return {
        "colour": f"var(--arm-{place % COLOURS})",
        "symbol": SYMBOLS[place % len(SYMBOLS)],
        "dash": DASHES[place // COLOURS % len(DASHES)],
    }


def styled(arms: Sequence[str]) -> list[tuple[str, ArmStyle]]:
    """Pair arms with their styles."""
    return [(arm, arm_style(place)) for place, arm in enumerate(arms)]


def error_bars(centres: Sequence[Number], intervals: Sequence[Numbers], colour: str) -> PlotlyValues:
    """Draw intervals; an interval without ends, of one seed, is not drawn."""
    lengths = []
    for centre, (low, high) in zip(centres, intervals, strict=True):
        if centre is None or low is None or high is None:
            lengths.append((0.0, 0.0))
        else:
            lengths.append((centre - low, high - centre))
    return {
        "type": "data",
        "array": [above for _, above in lengths],
        "arrayminus": [below for below, _ in lengths],
        "color": colour,
        "thickness": 1.5,
        "width": 0,
    }
