"""A sample as bytes: the image as a file's content, and the label as PNG."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from segnet.data.image_size import MAX_PIXELS, check_size
from segnet.data.images import from_pillow, open_any_size
from segnet.errors import UserError

KEPT = (".jpg", ".jpeg", ".png", ".webp")
"""Files whose bytes are kept where they decode to the same pixels."""
LENGTH = struct.Struct("<I")


def encode_sample(image: np.ndarray, label: np.ndarray, file: Path | None = None) -> bytes:
    """Encode a sample without loss.

    Args:
        image: ``(H, W, 1 or 3)`` uint8.
        label: ``(H, W)`` uint8.
        file: that the image was read from; its bytes are kept if these pixels alone are all that they say.

    Returns:
        The length of the image's part in four bytes, the image as JPEG, WebP or PNG, and the label as PNG.

    Raises:
        UserError: the image has more pixels than are decoded again.
    """
    check_size(Path("sample"), "image", image.shape[1], image.shape[0], None)
    first = _kept(image, file)
    if first is None:
        first = _png(image[..., 0] if image.shape[2] == 1 else image)
    return LENGTH.pack(len(first)) + first + _png(label)


def decode_sample(item: bytes, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return image ``(H, W, channels)`` and label ``(H, W)`` uint8 from what :func:`encode_sample` made.

    Raises:
        ValueError: it did not make it; or an error of Pillow's.
    """
    (length,) = LENGTH.unpack_from(item)
    rest = memoryview(item)[LENGTH.size :]
    label = _decode(rest[length:], 1)
    return _decode(rest[:length], channels), label[..., 0]


def _decode(content: memoryview | bytes, channels: int) -> np.ndarray:
    with open_any_size(io.BytesIO(content)) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels")
        image.load()
        return from_pillow(image, channels)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _kept(image: np.ndarray, file: Path | None) -> bytes | None:
    """Return the bytes of a file, if they decode to these pixels."""
    if file is None or file.suffix.lower() not in KEPT:
        return None
    try:
        content = file.read_bytes()
        same = np.array_equal(_decode(content, image.shape[2]), image)
    except (OSError, SyntaxError, ValueError, EOFError, UserError):  # of another depth, say: the pixels are what counts
        return None
    return content if same else None
