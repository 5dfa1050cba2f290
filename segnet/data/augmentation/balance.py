"""Class-balanced crops: where a crop is centred, so that rare classes are in it more often."""

import numpy as np
from torch import Tensor


def class_preferences(pixels: Tensor) -> np.ndarray:
    """Return how much each class is preferred: the inverse square root of its share of the pixels.

    Args:
        pixels: ``(images, K)`` of the training split, what is ignored left out.

    Returns:
        ``(K,)`` float64; 0 for a class without pixels.
    """
    counts = pixels.sum(0).numpy().astype(np.float64)
    present = counts > 0
    preferences: np.ndarray = present / np.sqrt(np.where(present, counts, 1.0) / max(1.0, counts.sum()))
    return preferences


def draw_centre(label: np.ndarray, preferences: np.ndarray, random: np.random.Generator) -> tuple[int, int] | None:
    """Draw a class among those of a label ``(H, W)`` by their preferences, and one of its pixels uniformly.

    Returns:
        Row and column of the pixel; None where no pixel has a preferred class.
    """
    counts = np.bincount(label.ravel(), minlength=len(preferences))[: len(preferences)]
    weights = np.where(counts > 0, preferences, 0.0)
    # Two numbers whatever the label, so that the stream does not depend on it.
    which, where = random.random(2)
    ends = np.cumsum(weights)
    if ends[-1] == 0:
        return None
    chosen = int(np.searchsorted(ends, which * ends[-1], side="right"))
    place = np.flatnonzero(label == chosen)[int(where * counts[chosen])]
    row, column = divmod(int(place), label.shape[1])
    return row, column
