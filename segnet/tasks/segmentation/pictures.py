"""Pictures made from classes."""

from collections.abc import Sequence

import numpy as np

ROWS_AT_ONCE = 256
RIGHT_COLOUR, WRONG_COLOUR = (235, 235, 235), (200, 30, 60)
CANDIDATES = (
    *((0, 0, 0), (120, 120, 120), (255, 255, 255), (255, 255, 0)),
    *((0, 255, 255), (255, 0, 255), (0, 90, 255), (255, 140, 0)),
)


def colour_of_ignored(colours: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """Choose a colour for what is not scored: the one of eight that is farthest from all classes' and from an error's.

    Black is a class in many data sets.
    """
    taken = np.array([*map(list, colours), RIGHT_COLOUR, WRONG_COLOUR], dtype=float)
    distances = [np.linalg.norm(taken - candidate, axis=1).min() for candidate in CANDIDATES]
    return CANDIDATES[int(np.argmax(distances))]


def colourise(classes: np.ndarray, colours: Sequence[Sequence[int]]) -> np.ndarray:
    """Take classes ``(H, W)`` to RGB ``(H, W, 3)`` uint8; what is no class gets :func:`colour_of_ignored`."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:] = colour_of_ignored(colours)
    palette[: len(colours)] = np.array(colours)
    return palette[classes.astype(np.uint8)]


def colourise_label(label: np.ndarray, colours: Sequence[Sequence[int]], ignore_index: int) -> np.ndarray:
    """Take a label ``(H, W)`` to RGB ``(H, W, 3)`` uint8; what is not scored gets :func:`colour_of_ignored`.

    The ignore index may be the number of a class.
    """
    coloured = colourise(label, colours)
    coloured[label == ignore_index] = colour_of_ignored(colours)
    return coloured


def error_map(prediction: np.ndarray, label: np.ndarray, ignore_index: int, ignored: Sequence[int]) -> np.ndarray:
    """Return RGB ``(H, W, 3)`` uint8: light where right, red where wrong, ``ignored`` where not scored."""
    colours = np.array([RIGHT_COLOUR, WRONG_COLOUR, ignored], np.uint8)
    return colours[np.where(label == ignore_index, 2, prediction != label)]


def overlay(image: np.ndarray, colours: np.ndarray, opacity: float) -> np.ndarray:
    """Lay colours ``(H, W, 3)`` over an image ``(H, W, 1 or 3)``, all uint8; opacity 0 shows the image alone."""
    mixed = np.empty(colours.shape, np.uint8)
    for top in range(0, len(image), ROWS_AT_ONCE):  # in floats a large image takes eight times its memory
        rows = slice(top, top + ROWS_AT_ONCE)
        mixed[rows] = np.rint(image[rows] * (1.0 - opacity) + colours[rows] * opacity)
    return mixed
