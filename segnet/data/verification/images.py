"""What an image file has that its reader resolves silently, and a fingerprint that survives scaling and compression."""

from pathlib import Path

import numpy as np
from PIL import Image

from segnet.data.images import BITS_PER_SAMPLE
from segnet.data.verification.problems import Problem, Severity

ORIENTATION = 0x0112  # EXIF tag
ROWS, COLUMNS = 16, 16
LEAST_CONTRAST = 4.0
"""Standard deviation in grey levels below which an image is so flat that its fingerprint says nothing."""
MOST_BITS = 24
"""Of 256: fingerprints that differ in no more belong to the same picture, or to neighbouring frames of a film.

In CamVid a JPEG of quality 50 changes up to 11, a scale of 0.4 up to 14, two frames of 30 in a second half of the time
up to 22, and different pictures differ in 68 and more."""


def strange_header(path: Path, split: str, sample: str) -> list[Problem]:
    """Say what the header of an image file has that is worth knowing; the pixels are not read.

    A file that cannot be opened gives nothing here: reading it says so.
    """
    found: list[tuple[Severity, str, str]] = []
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ORIENTATION, 1)
            if turned not in (0, 1):
                found.append(
                    ("note", "EXIF orientation", f"{turned}: the image is turned when read, and its label is not")
                )
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                found.append(("note", "alpha channel", "left out; colours below transparent places are taken"))
            if image.mode == "CMYK":
                found.append(("warning", "CMYK", "turned to RGB without a colour profile: save it as RGB"))
            if image.mode.startswith("I") or image.mode == "F" or max(_depths(image)) > 8:
                found.append(("note", "more than 8 bits", "brought to 8 by the range of its type, 0..65535 or 0..1"))
    except (OSError, SyntaxError, ValueError, EOFError):
        return []
    return [Problem(severity, kind, split, sample, detail) for severity, kind, detail in found]


def _depths(image: Image.Image) -> tuple[int, ...]:
    """Return the bits of each channel as a TIFF file says them, which Pillow may show as 8."""
    depths: tuple[int, ...] = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
    return depths


def fingerprint(image: np.ndarray) -> np.ndarray | None:
    """Return which of neighbouring patches is brighter, ``(256,)`` bool: the difference hash of Krawetz 2013.

    Args:
        image: ``(H, W, C)`` uint8.

    Returns:
        None for an image without contrast.
    """
    grey = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L")
    small = np.asarray(grey.resize((COLUMNS + 1, ROWS), Image.Resampling.BOX), dtype=np.int16)
    if small.std() < LEAST_CONTRAST:
        return None
    bits: np.ndarray = (small[:, 1:] > small[:, :-1]).ravel()
    return bits


def alike(one: np.ndarray, two: np.ndarray, chunk: int = 2048) -> list[tuple[int, int]]:
    """Return the places of the fingerprints ``(n, 256)`` and ``(m, 256)`` that differ in at most 24 bits.

    Of each of the first the closest of the second is named, if it is as close as that.
    """
    if not len(one) or not len(two):
        return []
    signs = 2 * two.astype(np.float32) - 1
    pairs = []
    for start in range(0, len(one), chunk):
        agreement = (2 * one[start : start + chunk].astype(np.float32) - 1) @ signs.T  # bits equal minus bits different
        closest = agreement.argmax(1)
        for row, place in enumerate(closest):
            if signs.shape[1] - agreement[row, place] <= 2 * MOST_BITS:
                pairs.append((start + row, int(place)))
    return pairs
