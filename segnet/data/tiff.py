"""TIFF files that Pillow cannot read, or reads wrongly (several channels of more than 8 bits), and very large ones."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segnet.data.image_size import check_size
from segnet.data.value_range import HOW, check_finite, say_once, say_range, scale_values
from segnet.errors import UserError
from segnet.extras import install_command

if TYPE_CHECKING:
    import tifffile

SUFFIXES = (".tif", ".tiff")
MAPPED_PIXELS = 1 << 26
"""Files with more, of 8 bits and without compression, are mapped into memory: what is not looked at is not read."""
BLACK_IS_ZERO, SEPARATED_INKS = 1, 5
LUMA = (0.299, 0.587, 0.114)


def map_tiff(path: Path, channels: int) -> np.ndarray | None:
    """Map the pixels of a large TIFF file, of 8 bits and without compression, into memory; None where it is another.

    Args:
        path: the file.
        channels: that it has to have, 1 or 3.

    Returns:
        ``(H, W, channels)`` uint8, read-only.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            plain = page.dtype == np.uint8 and page.samplesperpixel == channels and page.axes in ("YX", "YXS")
            upright = _orientation(page) == 1 and len(file.pages) == 1
            shown = channels == 3 or page.photometric == BLACK_IS_ZERO
            if page.imagewidth * page.imagelength <= MAPPED_PIXELS or not (plain and upright and shown):
                return None
            if not page.is_memmappable:
                return None
            shape = (page.imagelength, page.imagewidth, channels)
            return np.memmap(path, np.uint8, "r", page.dataoffsets[0], shape)
    except (tifffile.TiffFileError, OSError, ValueError):  # what reads it whole has the sentence
        return None


def read_deep_tiff(
    path: Path, channels: int, value_range: tuple[float, float] | None, max_pixels: int | None
) -> np.ndarray | None:
    """Read a TIFF file of several channels; None where it is none, or one of 8 bits that Pillow reads.

    Of more than three channels the first three are taken as red, green and blue.

    Args:
        path: the file.
        channels: 1 for grey, 3 for RGB.
        value_range: the values that become 0 and 255; None: the range of integers, or 0..1.
        max_pixels: refuse an image with more.

    Returns:
        ``(H, W, channels)`` uint8.

    Raises:
        UserError: it cannot be read, or its values have no known range.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if page.samplesperpixel < 2 or (page.bitspersample == 8 and page.samplesperpixel <= 4):
                return None
            _check(path, page, len(file.pages), max_pixels)
            values = page.asarray()
    except UserError:
        raise
    # tifffile raises what its decoders raise, and Pillow's sentence is the better one for what is no TIFF at all.
    except tifffile.TiffFileError:
        return None
    except Exception as error:
        if "imagecodecs" in str(error):
            raise UserError(
                f"cannot read the image {path}, whose compression needs one more package: {install_command('tiff')}, "
                f"or save it without compression"
            ) from error
        raise UserError(f"cannot read the image {path}: {error}") from error
    if page.axes.startswith("S"):  # its channels lie one after the other
        values = values.transpose(1, 2, 0)
    if values.shape[2] > 3:
        say_once(path.parent, f"the first three of {values.shape[2]} channels are taken as red, green and blue")
    return _to_bytes(path, values[..., :3], channels, value_range)


def is_wide_label(path: Path) -> bool:
    """Say whether a TIFF file holds one value of 64 bits for each pixel, which Pillow does not know."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            return page.samplesperpixel == 1 and page.bitspersample == 64
    except (tifffile.TiffFileError, OSError, ValueError):  # what reads it whole has the sentence
        return False


def read_wide_label(path: Path, max_pixels: int | None) -> np.ndarray | None:
    """Read a label of 64 bits, the type that arrays of integers have by themselves; None where it is another file.

    Args:
        path: the file.
        max_pixels: refuse an image with more.

    Returns:
        ``(H, W)``, in the type of the file.

    Raises:
        UserError: it cannot be read.
    """
    import tifffile

    if not is_wide_label(path):
        return None
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        _check(path, page, len(file.pages), max_pixels, "label")
        try:
            values: np.ndarray = page.asarray()
        except Exception as error:  # what its decoders raise
            raise UserError(f"cannot read the label {path}: {error}") from error
    return values


def _check(path: Path, page: "tifffile.TiffPage", pages: int, max_pixels: int | None, role: str = "image") -> None:
    check_size(path, role, page.imagewidth, page.imagelength, max_pixels)
    if pages > 1:
        raise UserError(f"the {role} {path} has {pages} frames or pages: save each as a file of its own")
    if (turned := _orientation(page)) != 1:
        raise UserError(f"the {role} {path} is stored turned (orientation {turned}): save it upright")
    if page.photometric == SEPARATED_INKS or page.samplesperpixel == 2:
        raise UserError(f"the image {path} has {page.samplesperpixel} channels that are no red, green and blue")


def _orientation(page: "tifffile.TiffPage") -> int:
    tag = page.tags.get("Orientation")
    return 1 if tag is None else int(tag.value)


def _to_bytes(path: Path, values: np.ndarray, channels: int, value_range: tuple[float, float] | None) -> np.ndarray:
    if value_range is None:
        value_range = _range_of_type(path, values)
        say_range(path, value_range)
    scaled = scale_values(path, values, value_range)
    if channels == 1:
        scaled = (scaled @ np.array(LUMA))[..., None]
    rounded: np.ndarray = np.rint(scaled).astype(np.uint8)
    return rounded


def _range_of_type(path: Path, values: np.ndarray) -> tuple[float, float]:
    check_finite(path, values)
    if values.dtype in (np.uint8, np.uint16):
        return 0, float(np.iinfo(values.dtype).max)
    if values.dtype.kind == "f" and values.size and values.min() >= 0 and values.max() <= 1:
        return 0, 1
    raise UserError(
        f"the image {path} holds {values.dtype} from {values.min():g} to {values.max():g}, whose range says nothing: "
        f"{HOW}"
    )
