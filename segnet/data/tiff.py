"""TIFF files with several channels that Pillow cannot read, or reads wrongly: more than 8 bits, or more than four."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segnet.errors import UserError

if TYPE_CHECKING:
    import tifffile

log = logging.getLogger(__name__)

SUFFIXES = (".tif", ".tiff")
SEPARATED_INKS = 5
LUMA = (0.299, 0.587, 0.114)


def read_deep_tiff(
    path: Path, channels: int, value_range: tuple[float, float] | None, max_pixels: int
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
        raise UserError(f"cannot read the image {path}: {error}") from error
    if page.axes.startswith("S"):  # its channels lie one after the other
        values = values.transpose(1, 2, 0)
    if values.shape[2] > 3:
        log.warning("%s: the first three of its %d channels are taken as red, green and blue", path, values.shape[2])
    return _to_bytes(path, values[..., :3], channels, value_range)


def _check(path: Path, page: "tifffile.TiffPage", pages: int, max_pixels: int) -> None:
    if page.imagewidth * page.imagelength > max_pixels:
        raise UserError(
            f"the image {path} claims {page.imagewidth}x{page.imagelength} pixels, more than max_pixels={max_pixels}: "
            f"set max_pixels={page.imagewidth * page.imagelength} if it is meant to be so large"
        )
    if pages > 1:
        raise UserError(f"the image {path} has {pages} frames or pages: save each as a file of its own")
    turned = page.tags.get("Orientation")
    if turned is not None and turned.value != 1:
        raise UserError(f"the image {path} is stored turned (orientation {int(turned.value)}): save it upright")
    if page.photometric == SEPARATED_INKS or page.samplesperpixel == 2:
        raise UserError(f"the image {path} has {page.samplesperpixel} channels that are no red, green and blue")


def _to_bytes(path: Path, values: np.ndarray, channels: int, value_range: tuple[float, float] | None) -> np.ndarray:
    if value_range is None:
        value_range = _range_of_type(path, values)
        log.info("%s: values %g..%g become 0..255", path, *value_range)
    low, high = value_range
    if not high > low:
        raise UserError(f"value_range=({low}, {high}) is empty: the second value means white, and is the larger one")
    wide = values.astype(np.float64)
    if not np.isfinite(wide).all():
        raise UserError(f"the image {path} holds values that are not finite: replace them")
    scaled = (wide.clip(low, high) - low) * (255 / (high - low))
    if channels == 1:
        scaled = (scaled @ np.array(LUMA))[..., None]
    return np.rint(scaled).astype(np.uint8)


def _range_of_type(path: Path, values: np.ndarray) -> tuple[float, float]:
    if values.dtype in (np.uint8, np.uint16):
        return 0, float(np.iinfo(values.dtype).max)
    if values.dtype.kind == "f" and values.size and values.min() >= 0 and values.max() <= 1:
        return 0, 1
    raise UserError(
        f"the image {path} holds {values.dtype} from {values.min():g} to {values.max():g}, whose range says nothing: "
        f"give value_range=(BLACK, WHITE)"
    )
