"""Labelme's JSON files, one beside each image."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segnet.data.datasets.folder.shapes import Outline, check_polygon, read_json
from segnet.errors import UserError

CORNERS_OF_A_CIRCLE = 64
BACKGROUND = "_background_"
"""Labelme's name of the background."""


def read_labelme(path: Path, size: tuple[int, int] | None = None) -> list[Outline]:
    """Return the shapes of a file in the order in which they were drawn.

    Args:
        path: the file.
        size: height and width of the image; None leaves that unchecked, for the names alone.

    Raises:
        UserError: it is no file of Labelme's, is of an image of another size, or holds lines or points.
    """
    content = read_json(path)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        raise UserError(f"the label {path} is no file of Labelme's: it has no list of shapes")
    own = (content.get("imageHeight"), content.get("imageWidth"))
    if size is not None and None not in own and own != size:
        raise UserError(
            f"image and label differ in size: {path} is of an image of {own[1]}x{own[0]}, which has {size[1]}x{size[0]}"
        )
    return [_outline(path, shape, size) for shape in shapes]


def _outline(path: Path, shape: Any, size: tuple[int, int] | None) -> Outline:
    try:
        name, kind = str(shape["label"]), shape.get("shape_type") or "polygon"
        points = np.array(shape["points"], dtype=float).reshape(-1, 2)
    except (TypeError, KeyError, ValueError) as error:
        raise UserError(f"the label {path} holds a shape without label or points: {error}") from error
    name = "background" if name == BACKGROUND else name
    if kind == "mask":
        return Outline(name, mask=_mask(path, shape, points, size))
    if kind == "rectangle" and len(points) in (2, 4):
        (left, top), (right, bottom) = points.min(0), points.max(0)
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    elif kind == "circle" and len(points) == 2:
        angles = np.linspace(0, 2 * np.pi, CORNERS_OF_A_CIRCLE, endpoint=False)
        points = points[0] + np.hypot(*(points[1] - points[0])) * np.column_stack([np.cos(angles), np.sin(angles)])
    elif kind != "polygon":
        raise UserError(f"the label {path} holds {name!r} as a {kind}: only regions are classes of pixels")
    check_polygon(path, name, points.ravel().tolist())
    return Outline(name, [points.ravel().tolist()])


def _mask(path: Path, shape: Any, points: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Put the picture that a shape of kind mask carries in its place."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as picture:
            inside = np.array(picture) > 0
        left, top = (int(value) for value in points.min(0))
        whole = np.zeros(size or (top + inside.shape[0], left + inside.shape[1]), bool)
        whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"the label {path} holds a mask that cannot be read: {error}") from error
    return whole
