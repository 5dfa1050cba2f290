"""What the charts of an experiment share.

A colour is written ``var(--name)`` or ``var(--name)/opacity``: the page puts in what its light or dark style says. A
trace's ``meta`` is the arm that it belongs to, so that the page can bring out one arm in all charts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star", "pentagon", "hexagon")
COLOURS = 8
DASHES = ("solid", "dash", "dot")
Chart = dict[str, Any]
Results = Mapping[str, Any]


def arm_style(place: int) -> dict[str, str]:
    """Return colour, symbol and dash of the arm at a place of the plan: no two arms share all three."""
    return {
        "colour": f"var(--arm-{place % COLOURS})",
        "symbol": SYMBOLS[place % len(SYMBOLS)],
        "dash": DASHES[place // COLOURS % len(DASHES)],
    }


def make_chart(key: str, label: str, views: list[dict[str, Any]], height: int = 380) -> Chart:
    """Name a chart and its views, the first of which is shown first; height in pixels."""
    return {"key": key, "label": label, "views": views, "height": height}


def styled(arms: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Pair arms with their styles."""
    return [(arm, arm_style(place)) for place, arm in enumerate(arms)]


RIM = {"color": "var(--surface)", "width": 1.5}
"""Around markers, so that those on top of each other stay apart."""


def error_bars(
    centres: Sequence[float | None], intervals: Sequence[Sequence[float | None]], colour: str
) -> dict[str, Any]:
    """Draw intervals; none where there is one seed."""
    arms = [
        (0.0, 0.0) if one is None or None in pair else (one - pair[0], pair[1] - one)
        for one, pair in zip(centres, intervals, strict=True)
    ]
    return {
        "type": "data",
        "array": [above for _, above in arms],
        "arrayminus": [below for below, _ in arms],
        "color": colour,
        "thickness": 1.5,
        "width": 0,
    }


def named_axis(names: Sequence[str], downwards: bool = False) -> dict[str, Any]:
    """Make an axis with a name at 0, 1, 2, ...; downwards: the first on top."""
    axis = {"tickvals": list(range(len(names))), "ticktext": [escape(name) for name in names], "zeroline": False}
    return axis | {"range": [len(names) - 0.5, -0.5], "showgrid": False} if downwards else axis


def escape(text: str) -> str:
    """Keep a name from being read as the markup that Plotly knows."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "% {")
