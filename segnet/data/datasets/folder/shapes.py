"""One outline, and the pixels inside."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segnet.errors import UserError

IGNORED = "__ignore__"
"""The name, from Labelme, of regions that are neither learned nor scored."""


@dataclass(frozen=True)
class Outline:
    """A region of an image.

    Attributes:
        name: of its class.
        polygons: each ``[x0, y0, x1, y1, ...]`` in pixels; together they are the region.
        run_lengths: instead of polygons, COCO's run-length encoding: ``counts`` and ``size``.
        mask: instead of polygons, ``(H, W)`` bool.
    """

    name: str
    polygons: Sequence[Sequence[float]] = ()
    run_lengths: Any = None
    mask: np.ndarray | None = None


def to_mask(outline: Outline, size: tuple[int, int]) -> np.ndarray:
    """Return which pixels are inside, ``(H, W)`` bool.

    Raises:
        UserError: what it holds is no region of an image of this size.
    """
    if outline.mask is not None:
        return outline.mask
    try:
        if outline.run_lengths is None:
            from pycocotools import mask as coco

            polygons = [list(map(float, one)) for one in outline.polygons]
            return _decode(coco.merge(coco.frPyObjects(polygons, *size))["counts"].decode(), size)
        if list(outline.run_lengths["size"]) != list(size):
            height, width = outline.run_lengths["size"]
            raise ValueError(f"it is of an image of {width}x{height} pixels")
        return _decode(outline.run_lengths["counts"], size)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise UserError(f"the outline {outline.name!r} cannot be read: {error}") from error


def _decode(counts: str | Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Take run lengths, column by column from a run outside, to a mask ``(H, W)``.

    Not pycocotools' own function, which calls numpy in a way that numpy has announced to end.
    """
    lengths = np.array(_unpack(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    height, width = size
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f"its run lengths come to {lengths.sum()} pixels, and the image has {height * width}")
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.ascontiguousarray(inside.reshape(width, height).T)


def _unpack(text: str) -> list[int]:
    """Read run lengths from COCO's text: five bits a character, from the fourth on as differences to two before."""
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return lengths


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it is none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read the label {path}: it is not a JSON file ({error})") from error


def check_polygon(path: Path, name: str, points: Sequence[float]) -> None:
    """Refuse a polygon without an area, or with what are no numbers.

    Raises:
        UserError: it is none.
    """
    numbers = all(isinstance(value, (int, float)) and np.isfinite(value) for value in points)
    if not numbers or len(points) < 6 or len(points) % 2:
        raise UserError(
            f"the label {path} holds an outline {name!r} of {len(points)} numbers: it takes three points, or "
            f"more, of two numbers each"
        )
