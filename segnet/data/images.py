"""Reading image and label files."""

from pathlib import Path

import numpy as np
from PIL import Image

from segnet.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def read_image(path: Path, channels: int) -> np.ndarray:
    """Read an image as ``(H, W, channels)`` uint8, grey for one channel and RGB for three.

    Raises:
        UserError: the file cannot be read as an image.
    """
    pixels = _read(path, {1: "L", 3: "RGB"}[channels])
    return pixels[..., None] if channels == 1 else pixels


def read_label(path: Path) -> np.ndarray:
    """Read a label image as ``(H, W)`` uint8: grey values, or palette indices.

    Raises:
        UserError: the file cannot be read, or is a colour image.
    """
    pixels = _read(path, None)
    if pixels.ndim != 2:
        raise UserError(f"the label {path} is a colour image: a label has one value a pixel, the class")
    return pixels.astype(np.uint8) if pixels.max(initial=0) <= 255 else _refuse_wide(path, pixels)


def _refuse_wide(path: Path, pixels: np.ndarray) -> np.ndarray:
    raise UserError(f"the label {path} holds the value {pixels.max()}: labels are 0..255")


def _read(path: Path, mode: str | None) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.array(image if mode is None else image.convert(mode))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for some broken PNG files
        raise UserError(f"cannot read the image {path}: {error}") from error
