"""What the masks of a folder hold: class indices, palette colours, RGB colours, or black and white."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from segnet.data.images import label_is_coloured, read_coloured_label, read_label
from segnet.errors import UserError

MOST_CLASSES = 64
"""More distinct values or colours than this are no classes, but a photo, or edges that were smoothed."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class MaskFacts:
    """What masks hold.

    Attributes:
        kind: "index" for values, "colour" for RGB.
        values: the distinct values, for "index".
        colours: the distinct colours, for "colour"; for "index" the palette's colour of each value, if there is one.
    """

    kind: Literal["index", "colour"]
    values: tuple[int, ...]
    colours: tuple[Colour, ...]


def inspect_masks(paths: Iterable[Path]) -> MaskFacts:
    """Look at every mask.

    Raises:
        UserError: some masks are coloured and others are not, there are too many values for classes, or a mask cannot
            be read.
    """
    values: set[int] = set()
    colours: set[Colour] = set()
    palette: dict[int, Colour] = {}
    first: dict[str, Path] = {}
    for path in paths:
        kind = "colour" if label_is_coloured(path) else "index"
        first.setdefault(kind, path)
        if len(first) > 1:
            raise UserError(
                f"the mask {first['colour']} is a colour image and {first['index']} is not: save all masks in one form"
            )
        if kind == "colour":
            found_colours = distinct_colours(read_coloured_label(path)).tolist()
            colours |= {(red, green, blue) for red, green, blue in found_colours}
        else:
            found = {int(value) for value in np.unique(read_label(path))}
            values |= found
            palette |= _palette(path, found)
        if max(len(values), len(colours)) > MOST_CLASSES:
            raise UserError(
                f"the masks up to {path} hold more than {MOST_CLASSES} different {'colours' if colours else 'values'}: "
                f"that is no mask of classes; were edges smoothed, or was it saved as JPEG on the way?"
            )
    kept = tuple(palette.get(value, (0, 0, 0)) for value in sorted(values)) if len(palette) == len(values) else ()
    return (
        MaskFacts("colour", (), tuple(sorted(colours))) if colours else MaskFacts("index", tuple(sorted(values)), kept)
    )


def distinct_colours(image: np.ndarray) -> np.ndarray:
    """Return the different colours ``(n, 3)`` of an image ``(H, W, 3)`` uint8."""
    codes = np.unique(_codes(image))
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)


def classes_of_colours(image: np.ndarray, colours: Sequence[Sequence[Colour]], other: int) -> np.ndarray:
    """Take colours ``(H, W, 3)`` uint8 to classes ``(H, W)`` uint8.

    Args:
        image: the coloured mask.
        colours: of each class, in the order of the classes; a class may have several.
        other: the value of a colour that no class has.
    """
    codes = [(_code(colour), index) for index, group in enumerate(colours) for colour in group]
    codes.sort()
    keys, indices = np.array([code for code, _ in codes]), np.array([index for _, index in codes], np.uint8)
    pixels = _codes(image)
    places = np.searchsorted(keys, pixels).clip(max=len(keys) - 1)
    return np.where(keys[places] == pixels, indices[places], np.uint8(other)).astype(np.uint8)


def _palette(path: Path, values: set[int]) -> dict[int, Colour]:
    try:
        with Image.open(path) as image:
            entries = image.getpalette("RGB") if image.mode == "P" else None
    except UnidentifiedImageError:  # a TIFF file that another library reads, see segnet.data.tiff
        return {}
    if entries is None:
        return {}
    triples = list(zip(entries[::3], entries[1::3], entries[2::3], strict=True))
    return {value: triples[value] for value in values if value < len(triples)}


def _codes(image: np.ndarray) -> np.ndarray:
    wide = image.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _code(colour: Sequence[int]) -> int:
    red, green, blue = colour
    return red << 16 | green << 8 | blue
