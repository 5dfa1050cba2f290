"""What can be predicted: paths, Pillow's images, arrays and tensors become arrays of one form, or are refused."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, Union

import numpy as np
from PIL import Image

from segnet.data.image_size import MAX_PIXELS
from segnet.data.images import from_pillow, read_image
from segnet.errors import UserError

if TYPE_CHECKING:  # an exported network predicts without torch
    from torch import Tensor

ImageInput: TypeAlias = Union[str, Path, Image.Image, np.ndarray, "Tensor"]
"""A path; an image of Pillow's; an array ``(H, W)`` or ``(H, W, C)``, a tensor ``(C, H, W)`` or ``(H, W)``, both uint8
or floats in 0..1."""


def is_batch(given: ImageInput | Sequence[ImageInput]) -> bool:
    """Say whether several images are given: a list, a tensor ``(N, C, H, W)`` or an array ``(N, H, W, C)``."""
    if isinstance(given, np.ndarray) or is_tensor(given):
        return given.ndim == 4
    return isinstance(given, Iterable) and not isinstance(given, str | Path | Image.Image)


def is_tensor(given: object) -> "TypeGuard[Tensor]":
    """Say whether something is a tensor, which it can only be where torch is imported."""
    return "torch" in sys.modules and isinstance(given, sys.modules["torch"].Tensor)


def as_image(
    given: ImageInput,
    channels: int,
    max_pixels: int = MAX_PIXELS,
    value_range: tuple[float, float] | None = None,
) -> np.ndarray:
    """Take one image to ``(H, W, channels)``, uint8 or float32 in 0..1.

    A file of more than 8 bits is read by ``value_range``, the values of black and white, or by its type's. Grey becomes
    colour by repetition. Colour is never made grey, except by decoding, as :func:`read_image` does it.

    Raises:
        UserError: the file cannot be read, or shape, type or values are not those of an image.
    """
    if isinstance(given, str | Path):
        return read_image(Path(given), channels, value_range, max_pixels)
    if isinstance(given, Image.Image):
        return from_pillow(given, channels)
    if is_tensor(given):
        array = given.detach().cpu().numpy()
        return _checked(array if array.ndim != 3 else array.transpose(1, 2, 0), channels, "tensor", "(C, H, W)")
    if isinstance(given, np.ndarray):
        return _checked(given, channels, "array", "(H, W, C)")
    raise UserError(f"a {type(given).__name__} is no image: give a path, a Pillow image, an array or a tensor")


def _checked(array: np.ndarray, channels: int, kind: str, form: str) -> np.ndarray:
    image = array[..., None] if array.ndim == 2 else array
    if image.ndim != 3 or image.shape[-1] not in (1, channels) or 0 in image.shape:
        shape = form.replace("C", str(channels))
        raise UserError(f"the {kind} has the shape {_shape(array, kind)}, and this network takes {shape} or (H, W)")
    if image.dtype != np.uint8:
        image = _checked_floats(image, kind)
    return np.repeat(image, channels, axis=-1) if image.shape[-1] < channels else image


def _shape(array: np.ndarray, kind: str) -> tuple[int, ...]:
    """Return the shape as it was given."""
    shape = array.shape
    return (shape[2], *shape[:2]) if kind == "tensor" and len(shape) == 3 else shape


def _checked_floats(image: np.ndarray, kind: str) -> np.ndarray:
    if image.dtype.kind != "f":
        raise UserError(f"the {kind} holds {image.dtype}, whose range is not known: give uint8, or floats in 0..1")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):
        mend = "divide it by 255" if low >= 0 and 1 < high <= 255 else "scale its values"
        raise UserError(f"the {kind} holds floats from {low:g} to {high:g}, and floats are images in 0..1: {mend}")
    return image.astype(np.float32)
