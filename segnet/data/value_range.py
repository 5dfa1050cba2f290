"""Images of more than 8 bits become bytes: by the range of their type, or by the one that is given."""

import functools
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segnet.errors import UserError

log = logging.getLogger(__name__)


HOW = "give value_range, the values of black and white (data=folder takes it from dataset.yaml: value_range: [0, 4095])"


def as_range(value_range: Sequence[float] | None) -> tuple[float, float] | None:
    """Take a range from a configuration, a list of two numbers or nothing, to the form that reading takes."""
    if value_range is None:
        return None
    low, high = value_range
    return low, high


def check_finite(path: Path, values: np.ndarray) -> None:
    """Refuse values that are no numbers.

    Raises:
        UserError: a value is not finite.
    """
    if not np.isfinite(values).all():
        raise UserError(f"the image {path} holds values that are not finite: replace them")


def scale_values(
    path: Path, values: np.ndarray, value_range: tuple[float, float], *, white_is_low: bool = False
) -> np.ndarray:
    """Scale values so that ``value_range`` becomes 0..255; values beyond it are clipped.

    Args:
        path: the file that they come from, for messages.
        values: of any shape and type.
        value_range: the values of black and white.
        white_is_low: whether the file has black and white exchanged.

    Returns:
        float64 in 0..255, not yet rounded, of the same shape.

    Raises:
        UserError: the range is empty, or a value is not finite.
    """
    low, high = value_range
    if not high > low:
        raise UserError(f"value_range=({low}, {high}) is empty: the second value means white, and is the larger one")
    values = values.astype(np.float64)
    check_finite(path, values)
    if white_is_low:
        values = low + high - values
    scaled: np.ndarray = (values.clip(low, high) - low) * (255 / (high - low))
    return scaled


def say_range(path: Path, value_range: tuple[float, float]) -> None:
    """Log which values were taken for black and white, once for a folder."""
    say_once(path.parent, f"values {value_range[0]:g}..{value_range[1]:g} become 0..255")


@functools.lru_cache(maxsize=1024)
def say_once(folder: Path, message: str) -> None:
    """Log what holds for many files of a folder, once in a process."""
    log.info("images in %s: %s", folder, message)
