"""Pictures made from classes."""

from collections.abc import Sequence

import numpy as np

IGNORED_COLOUR = (0, 0, 0)
ROWS_AT_ONCE = 256
RIGHT_COLOUR, WRONG_COLOUR = (235, 235, 235), (200, 30, 60)


def colourise(classes: np.ndarray, colours: Sequence[Sequence[int]]) -> np.ndarray:
    """Take classes ``(H, W)`` to RGB ``(H, W, 3)`` uint8; whatever is no class is black."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:] = IGNORED_COLOUR
    palette[: len(colours)] = np.array(colours)
    return palette[classes.astype(np.uint8)]


def error_map(prediction: np.ndarray, label: np.ndarray, ignore_index: int) -> np.ndarray:
    """Return RGB ``(H, W, 3)`` uint8: light where right, red where wrong, black where not scored."""
    colours = np.array([RIGHT_COLOUR, WRONG_COLOUR, IGNORED_COLOUR], np.uint8)
    return colours[np.where(label == ignore_index, 2, prediction != label)]


def overlay(image: np.ndarray, colours: np.ndarray, opacity: float) -> np.ndarray:
    """Lay colours ``(H, W, 3)`` over an image ``(H, W, 1 or 3)``, all uint8; opacity 0 shows the image alone."""
    mixed = np.empty(colours.shape, np.uint8)
    for top in range(0, len(image), ROWS_AT_ONCE):  # in floats a large image takes eight times its memory
        rows = slice(top, top + ROWS_AT_ONCE)
        mixed[rows] = np.rint(image[rows] * (1.0 - opacity) + colours[rows] * opacity)
    return mixed
