"""Where the names of points go in a chart, so that they stand neither on each other nor on a point."""

from collections.abc import Mapping

WIDTH, HEIGHT = 820.0, 340.0
"""Of the area that a chart draws in on a large screen, pixels."""
LETTER, LINE, GAP = 7.0, 16.0, 10.0
PLACES = {
    "top right": (1, 1), "middle right": (1, 0), "bottom right": (1, -1),
    "top left": (-1, 1), "middle left": (-1, 0), "bottom left": (-1, -1),
    "top center": (0, 1), "bottom center": (0, -1),
}  # fmt: skip
"""Plotly's names, the first that is free is taken: the direction from the point."""
Box = tuple[float, float, float, float]


def label_places(points: Mapping[str, tuple[float, float]], low: float, high: float) -> dict[str, str]:
    """Choose the place of each name; a name for which there is no room is left out.

    Args:
        points: place of each name's point, in the units of the axes.
        low: lower end of the vertical axis.
        high: its upper end.
    """
    across = [x for x, _ in points.values()]
    first, span = min(across, default=0.0), (max(across, default=0.0) - min(across, default=0.0)) or 1.0
    pixels = {
        name: ((x - first) / span * WIDTH, (y - low) / ((high - low) or 1.0) * HEIGHT)
        for name, (x, y) in points.items()
    }
    taken: list[Box] = [(x - GAP, y - GAP, x + GAP, y + GAP) for x, y in pixels.values()]
    chosen: dict[str, str] = {}
    for name, (x, y) in sorted(pixels.items(), key=lambda item: -item[1][1]):
        for place, (right, up) in PLACES.items():
            box = _box(x, y, right, up, LETTER * len(name))
            if not any(_overlap(box, other) for other in taken):
                chosen[name] = place
                taken.append(box)
                break
    return chosen


def _box(x: float, y: float, right: int, up: int, width: float) -> Box:
    left = x - width / 2 + right * (width / 2 + GAP + 1)
    bottom = y - LINE / 2 + up * (LINE / 2 + GAP + 1 if right == 0 else LINE / 2 + 1)
    return left, bottom, left + width, bottom + LINE


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
