"""Charts as plain data and layouts for Plotly.

A colour is written ``var(--name)`` or ``var(--name)/opacity``: the page puts in the colour of its light or dark style.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

PlotlyValues = dict[str, Any]
"""A trace, a layout or a part of one, in Plotly's own terms."""
RIM = {"color": "var(--surface)", "width": 1.5}
"""Around markers, so that those on top of each other stay apart."""


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
