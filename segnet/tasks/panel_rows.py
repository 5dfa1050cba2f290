"""Which images of a split a panel shows, and what they are called there."""

import numpy as np

LONGEST_NAME = 44


def choose_rows(scores: np.ndarray) -> list[tuple[str, int]]:
    """Choose the worst, the median and the best image, each once; one that has no score only where none has.

    Returns:
        The rule and the place of each.
    """
    order = [int(place) for place in np.argsort(scores, kind="stable") if not np.isnan(scores[place])]
    if not order:
        return [("first", 0)]
    chosen = {"worst": order[0], "median": order[(len(order) - 1) // 2], "best": order[-1]}
    once: dict[int, str] = {}
    for rule, place in sorted(chosen.items(), key=lambda pair: pair[0] == "median"):
        once.setdefault(place, rule)
    return sorted(((rule, place) for place, rule in once.items()), key=lambda row: order.index(row[1]))


def shorten(name: str, longest: int = LONGEST_NAME) -> str:
    """Leave out the middle of a name of more than ``longest`` characters."""
    half = longest // 2
    return name if len(name) <= longest else f"{name[: half - 1]}…{name[-half:]}"
