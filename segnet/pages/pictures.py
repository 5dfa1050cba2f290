"""Pictures small enough to travel inside a page."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def data_uri(picture: Image.Image, form: str = "PNG", **options: Any) -> str:
    """Encode a picture as an address that holds the picture itself; takes Pillow's options of the format."""
    file = io.BytesIO()
    picture.save(file, format=form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def photograph(image: npt.NDArray[np.uint8]) -> str:
    """Encode an image ``(H, W, C)`` uint8 with one or three channels."""
    return data_uri(Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image), "WEBP", quality=88)


def few_colours(indices: npt.NDArray[Any], colours: Sequence[Sequence[int]]) -> str:
    """Encode indices ``(H, W)`` into a list of colours: lossless, and a fraction of the size."""
    picture = Image.fromarray(indices.astype(np.uint8))
    picture.putpalette([channel for colour in colours for channel in colour])
    return data_uri(picture, optimize=True)
