"""Reading image and label files, so that what a file means is kept, or refused in a sentence."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from segnet.data import tiff
from segnet.data.image_size import check_size
from segnet.data.value_range import HOW, check_finite, say_range, scale_values
from segnet.errors import UserError

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LOSSY_FORMATS = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")
INTEGER_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")
COLOURED = ("RGB", "RGBA", "CMYK")
PNG_BIT_DEPTH, PNG_COLOUR_TYPE = 24, 25  # bytes of a PNG file
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF file
WHITE_IS_ZERO, SIGNED = 0, 2

_opening = threading.Lock()


def read_image(
    path: Path, channels: int, value_range: tuple[float, float] | None = None, max_pixels: int | None = None
) -> np.ndarray:
    """Read an image as viewers show it: its EXIF orientation applied, palettes and other colour spaces resolved.

    Values of 16 bits are scaled by the range of their type, 0..65535, and floats by 0..1, unless ``value_range`` says
    which values mean black and white; values beyond it are clipped. A line in the log says which was taken. Of a TIFF
    file with more than three channels the first three are taken. A TIFF file of 8 bits without compression that is
    larger than 67 million pixels is mapped into memory, whatever its size: what is not looked at is not read.

    Args:
        path: the file.
        channels: 1 for grey, 3 for RGB.
        value_range: the values that become 0 and 255, such as ``(0, 4095)`` for a camera of 12 bits.
        max_pixels: refuse an image with more, since a small file can claim any size; None: with more than
            ``MAX_PIXELS``, where no setting moves the limit.

    Returns:
        ``(H, W, channels)`` uint8.

    Raises:
        UserError: the file cannot be read as an image, has several frames, is too large, or holds numbers whose range
            is not known.
    """
    if channels not in (1, 3):
        raise UserError(
            f"the network takes images of {channels} channels, and image files are read as 1 or 3: give arrays"
        )
    if path.suffix.lower() in tiff.SUFFIXES:
        large = tiff.map_tiff(path, channels) if value_range is None else None
        deep = tiff.read_deep_tiff(path, channels, value_range, max_pixels) if large is None else large
        if deep is not None:
            return deep
    with _open(path, "image", max_pixels) as image:
        if image.mode in INTEGER_MODES[3:] or image.mode == "F":
            pixels = _scale_values(path, image, value_range)
        elif value_range not in (None, (0, 255)):
            raise UserError(
                f"the image {path} has 8 bits, which value_range={value_range} does not fit: store it in the values of "
                f"the others, or leave value_range out"
            )
        else:
            pixels = _as_shown(path, image, channels)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], channels, axis=-1)


def from_pillow(image: Image.Image, channels: int) -> np.ndarray:
    """Take an opened image of 8 bits to ``(H, W, channels)`` uint8, as viewers show it; see :func:`read_image`.

    Raises:
        UserError: it has more than 8 bits.
    """
    if image.mode in INTEGER_MODES[3:] or image.mode == "F":
        raise UserError(
            f"an image of mode {image.mode} has no known range: scale its values to 8 bits, or give its path"
        )
    pixels = np.array(ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB"))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Show an image ``(H, W, 1 or 3)`` in three channels."""
    return image if image.shape[-1] == 3 else np.repeat(image, 3, axis=-1)


def as_bytes(image: np.ndarray) -> np.ndarray:
    """Take an image of floats in 0..1 to uint8; one of bytes is returned as it is."""
    return image if image.dtype == np.uint8 else np.rint(image * 255).astype(np.uint8)


def read_label(path: Path, max_pixels: int | None = None) -> np.ndarray:
    """Read a label image: the numbers that the file holds, or the indices of its palette.

    Args:
        path: the file.
        max_pixels: refuse an image with more, see :func:`read_image`.

    Returns:
        ``(H, W)`` uint8.

    Raises:
        UserError: the file cannot be read, is compressed with loss, is a colour image, has several frames, or holds
            values that are no integers in 0..255.
    """
    if path.suffix.lower() in tiff.SUFFIXES:
        if (large := tiff.map_tiff(path, 1)) is not None:
            return large[..., 0]
        if (wide := tiff.read_wide_label(path, max_pixels)) is not None:
            return _as_classes(path, wide)
    with _open(path, "label", max_pixels) as image:
        _refuse_loss(path, image)
        if image.mode not in INTEGER_MODES and image.mode != "F":
            raise UserError(f"the label {path} is a colour image: a label has one value per pixel, the class")
        values = _as_stored(path, image)
    return _as_classes(path, values)


def read_coloured_label(path: Path, max_pixels: int | None = None) -> np.ndarray:
    """Read a label image whose colours are classes.

    Args:
        path: the file.
        max_pixels: refuse an image with more, see :func:`read_image`.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        UserError: see :func:`read_image`; or the file is compressed with loss, which changes colours.
    """
    with _open(path, "label", max_pixels) as image:
        _refuse_loss(path, image)
        if image.mode in COLOURED and path.suffix.lower() not in tiff.SUFFIXES:
            return _as_shown(path, image, 3)
    return read_image(path, 3, max_pixels=max_pixels)


def label_is_coloured(path: Path) -> bool:
    """Say whether a label image holds colours; looks at the file's header alone.

    Raises:
        UserError: it cannot be read.
    """
    if path.suffix.lower() in tiff.SUFFIXES and tiff.is_wide_label(path):
        return False
    with _open(path, "label", None, decode=False) as image:
        return image.mode in COLOURED


def _refuse_loss(path: Path, image: Image.Image) -> None:
    compression = str(image.info.get("compression", ""))
    if image.format in LOSSY_FORMATS or "jpeg" in compression:
        raise UserError(
            f"the label {path} is stored as {'JPEG' if compression else image.format}, which may change values: "
            f"export it again as PNG from its source"
        )


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file in UTF-8, with or without a byte-order mark.

    Raises:
        UserError: the file is not there, or in another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not encoded in UTF-8 ({error.reason}): save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


@contextmanager
def _open(path: Path, role: str, max_pixels: int | None, decode: bool = True) -> Iterator[Image.Image]:
    """Open a file and decode it; what goes wrong, here or where it is used, becomes a sentence."""
    try:
        # From an open file and not from its path: Pillow maps some turned TIFF files into memory with the wrong size.
        with path.open("rb") as file, open_any_size(file) as image:
            if not decode:
                yield image
                return
            check_size(path, role, image.width, image.height, max_pixels)
            # Telephones keep further views behind a photo (MPO); the first is what every viewer shows.
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise UserError(f"the {role} {path} has {frames} frames or pages: save each as a file of its own")
            image.load()  # before its orientation is asked for: a TIFF file is turned by this already
            yield image
    except UnidentifiedImageError as error:
        reason = "it is no image, or of an unknown format" if path.stat().st_size else "the file is empty"
        raise UserError(f"cannot read the {role} {path}: {reason}") from error
    # Pillow raises SyntaxError and EOFError for some broken files.
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise UserError(f"cannot read the {role} {path}: {error}") from error


def open_any_size(file: BinaryIO) -> Image.Image:
    """Read an image's header without Pillow's own limit: ours names the setting that moves it."""
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _as_shown(path: Path, image: Image.Image, channels: int) -> np.ndarray:
    """Take an image of 8 bits to grey ``(H, W)`` or RGB ``(H, W, 3)``, as viewers show it but for transparency."""
    _warn_of_transparency(path, image)
    return np.array(ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB"))


def _scale_values(path: Path, image: Image.Image, value_range: tuple[float, float] | None) -> np.ndarray:
    """Bring an image of one channel with more than 8 bits to ``(H, W)`` uint8, by a range that is known."""
    values = np.array(ImageOps.exif_transpose(image))
    if value_range is None:
        value_range = _range_of_type(path, image, values)
        say_range(path, value_range)
    white_is_low = _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO  # Pillow turns around 8 bits alone
    scaled = scale_values(path, values, value_range, white_is_low=white_is_low)
    rounded: np.ndarray = np.rint(scaled).astype(np.uint8)
    return rounded


def _range_of_type(path: Path, image: Image.Image, values: np.ndarray) -> tuple[float, float]:
    check_finite(path, values)
    smallest, largest = float(values.min(initial=0)), float(values.max(initial=0))
    if image.mode == "F" and (smallest < 0 or largest > 1):
        raise UserError(
            f"the image {path} holds floats from {smallest:g} to {largest:g}, and only 0..1 is understood by itself: "
            f"{HOW}"
        )
    # Pillow reads portable grey maps of 16 bits into 32; with 32 bits in the file no range can be guessed.
    if image.mode == "I" and image.format not in ("PPM", "PNG"):
        raise UserError(
            f"the image {path} holds integers from {smallest:g} to {largest:g} in a signed type or one of 32 bits, "
            f"whose range says nothing: {HOW}"
        )
    return (0, 1) if image.mode == "F" else (0, 65535)


def _as_stored(path: Path, image: Image.Image) -> np.ndarray:
    """Undo what Pillow does to values so that they look right: a label's numbers are no brightness."""
    bits = _grey_bits(path, image)
    values = np.array(ImageOps.exif_transpose(image))
    if image.format == "TIFF" and bits == 8 and _tag(image, SAMPLE_FORMAT) == SIGNED:
        values = values.view(np.int8)
    elif image.format == "TIFF" and image.mode in ("1", "L") and _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO:
        values = ~values if image.mode == "1" else 255 - values
    if image.mode == "L" and bits in (2, 4):
        values = values // (255 // (2**bits - 1))
    return values


def _grey_bits(path: Path, image: Image.Image) -> int | None:
    """Return the bits per value of a grey PNG or TIFF file."""
    if image.format == "PNG":
        header = path.read_bytes()[: PNG_COLOUR_TYPE + 1]
        return header[PNG_BIT_DEPTH] if header[PNG_COLOUR_TYPE] == 0 else None
    return _tag(image, BITS_PER_SAMPLE)


def _tag(image: Image.Image, number: int) -> int | None:
    """Return the first value of a TIFF tag."""
    value = getattr(image, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) else value


def _as_classes(path: Path, values: np.ndarray) -> np.ndarray:
    """Check values ``(H, W)`` of any type and return them as uint8."""
    if values.dtype == np.uint8 or values.dtype == bool:
        return values.astype(np.uint8)
    fractions = values[~(np.isfinite(values) & (values == np.rint(values)))] if values.dtype.kind == "f" else values[:0]
    if fractions.size:
        raise UserError(
            f"the label {path} holds {fractions[0]:g} ({fractions.size} values are no integers): labels are classes"
        )
    strange = values[(values < 0) | (values > 255)]
    if strange.size:
        raise UserError(
            f"the label {path} holds the value {strange[0]:g} ({strange.size} pixels): labels are 0..255, so give "
            f"pixels without a class a value in that range and set data.ignore_index to it"
        )
    return values.astype(np.uint8)


def _warn_of_transparency(path: Path, image: Image.Image) -> None:
    """Say where colours count that a viewer shows only in part."""
    if not image.has_transparency_data:
        return
    if image.mode not in ("RGBA", "LA", "PA"):
        image = image.convert("RGBA")
    if np.array(image.getchannel("A")).min() < 255:
        log.warning("%s: its transparency is left out, and the colours below it are taken", path)
