"""A sample as bytes: image and label as the content of files, encoded or as plain pixels."""

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
NPY = b"\x93NUMPY"
LENGTH = struct.Struct("<I")


def encode_sample(image: np.ndarray, label: np.ndarray, file: Path | None = None, plain: bool = False) -> bytes:
    """Encode a sample without loss.

    Args:
        image: ``(H, W, 1 or 3)`` uint8.
        label: ``(H, W)`` uint8.
        file: that the image was read from; its bytes are kept where they decode to these pixels.
        plain: store the pixels as they are: larger, and read without decoding.

    Returns:
        The length of the image's part in four bytes, then image and label: JPEG, WebP or PNG, and PNG; or if ``plain``
        NumPy's files of ``(C, H, W)`` and ``(H, W)``.

    Raises:
        UserError: the image has more pixels than are decoded again.
    """
    check_size(Path("sample"), "image", image.shape[1], image.shape[0], None)
    if plain:
        first, second = _npy(np.ascontiguousarray(image.transpose(2, 0, 1))), _npy(label)
    else:
        first = _kept(image, file) or _png(image[..., 0] if image.shape[2] == 1 else image)
        second = _png(label)
    return LENGTH.pack(len(first)) + first + second


def decode_sample(item: bytes, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return image ``(H, W, channels)`` and label ``(H, W)`` uint8 from what :func:`encode_sample` made.

    Raises:
        ValueError: it did not make it; or an error of Pillow's.
    """
    (length,) = LENGTH.unpack_from(item)
    rest = memoryview(item)[LENGTH.size :]
    if rest[: len(NPY)] == NPY:
        return _read_npy(rest[:length]).transpose(1, 2, 0), _read_npy(rest[length:])
    label = _decode(rest[length:], 1)
    return _decode(rest[:length], channels), label[..., 0]


def _decode(content: memoryview | bytes, channels: int) -> np.ndarray:
    with open_any_size(io.BytesIO(content)) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels")
        image.load()
        return from_pillow(image, channels)


def _npy(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, pixels, allow_pickle=False)
    return file.getvalue()


def _read_npy(content: memoryview) -> np.ndarray:
    """See the pixels where they lie; an item has a checksum, so that no other header comes here by accident."""
    file = io.BytesIO(content[:128])
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version of NumPy's files")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
    if fortran or kind != np.uint8:
        raise ValueError(f"pixels of {kind}")
    return np.frombuffer(content, np.uint8, offset=file.tell()).reshape(shape)


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
