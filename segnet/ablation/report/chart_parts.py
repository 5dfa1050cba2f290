"""What the charts of an experiment share.

A colour is written ``var(--name)`` or ``var(--name)/opacity``: the page puts in the colour of its light or dark style.
A trace's ``meta`` is the arm that it belongs to, so that the page can bring out one arm in all charts.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

from segnet.ablation.results.records import Number, Numbers

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star", "pentagon", "hexagon")
COLOURS = 8
DASHES = ("solid", "dash", "dot")
PlotlyValues = dict[str, Any]
"""A trace, a layout or a part of one, in Plotly's own terms."""


class ArmStyle(TypedDict):
    """How an arm is drawn in all charts."""

    colour: str
    symbol: str
    dash: str


class View(TypedDict):
    """One view of a chart."""

    name: str
    data: list[PlotlyValues]
    layout: PlotlyValues


class Chart(TypedDict):
    """A chart; its first view is shown first. The height is in pixels."""

    key: str
    label: str
    views: list[View]
    height: int


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


RIM = {"color": "var(--surface)", "width": 1.5}
"""Around markers, so that those on top of each other stay apart."""


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


def named_axis(names: Sequence[str], downwards: bool = False) -> PlotlyValues:
    """Make an axis with a name at 0, 1, 2, ...; downwards: the first on top."""
    axis: PlotlyValues = {
        "tickvals": list(range(len(names))),
        "ticktext": [escape(name) for name in names],
        "zeroline": False,
    }
    return axis | {"range": [len(names) - 0.5, -0.5], "showgrid": False} if downwards else axis


def escape(text: str) -> str:
    """Keep a name from being read as the markup that Plotly knows."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "% {")
