"""Labels that are no class, and where they probably come from."""

from collections.abc import Sequence

import numpy as np

SMOOTHED = 20
"""More strange values than this in one label come from smoothed edges or from compression."""


def strange_values(counts: np.ndarray, classes: int, ignore_index: int) -> dict[int, int]:
    """Return the values that are neither a class nor the ignore index, with their pixels.

    Args:
        counts: pixels of each value, ``(256,)``.
        classes: number of classes.
        ignore_index: label that is not scored.
    """
    return {
        int(value): int(counts[value]) for value in np.flatnonzero(counts) if value >= classes and value != ignore_index
    }


def likely_cause(strange: Sequence[int], seen: np.ndarray, classes: int) -> str:
    """Say what values of one label probably are.

    Args:
        strange: values that are no class.
        seen: pixels of each value over all labels of the set, ``(256,)``.
        classes: number of classes.
    """
    if len(strange) > SMOOTHED:
        return "so many values come from smoothed edges (resized or anti-aliased) or from JPEG: export it again as PNG"
    if list(strange) == [classes] and not seen[0]:
        return "no label holds 0, so they count from 1: subtract 1, or let the classes begin with one for 0"
    if list(strange) == [255]:
        if set(np.flatnonzero(seen)) <= {0, 255}:
            return "a black and white mask: 255 is its foreground, and has to become 1"
        return "255 is the usual mark of pixels that do not count: set data.ignore_index=255"
    if classes > 2 and len(strange) > classes // 2:
        return "a colour-coded mask read as numbers, or a grey one: was it converted on the way?"
    return "mend the label, or add the class to data.classes"
