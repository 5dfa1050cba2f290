"""Where on the earth an image lies: read from a GeoTIFF, and written beside each picture that is made of it."""

import importlib.util
import logging
import warnings
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, UnidentifiedImageError

from segnet.extras import install_command
from segnet.run_folder import write_whole

log = logging.getLogger(__name__)

PIXEL_SCALE, TIE_POINTS, TRANSFORM, KEYS = 33550, 33922, 34264, 34735  # tags of GeoTIFF
SIDECAR = ".aux.xml"
"""What GDAL adds to the name of an image whose own format has no place for a georeference."""


def georeference_of(path: Path) -> str | None:
    """Return the georeference of a GeoTIFF as the XML of a GDAL sidecar file; None where an image has none.

    Without rasterio there is none, and a line in the log says how to install it.
    """
    if not _is_geotiff(path):
        return None
    if importlib.util.find_spec("rasterio") is None:
        log.warning(
            "%s: its georeference is left out, since rasterio is not installed: %s", path, install_command("geo")
        )
        return None
    import rasterio

    with warnings.catch_warnings(), rasterio.open(path) as source:
        warnings.simplefilter("ignore")
        if source.crs is None and source.transform.is_identity:
            return None
        root = ElementTree.Element("PAMDataset")
        if source.crs is not None:
            ElementTree.SubElement(root, "SRS").text = source.crs.to_wkt()
        numbers = ElementTree.SubElement(root, "GeoTransform")
        numbers.text = ", ".join(f"{value:.17g}" for value in source.transform.to_gdal())
    return ElementTree.tostring(root, encoding="unicode")


def _is_geotiff(path: Path) -> bool:
    if path.suffix.lower() not in (".tif", ".tiff"):
        return False
    try:
        with path.open("rb") as file, Image.open(file) as image:
            return any(tag in getattr(image, "tag_v2", {}) for tag in (PIXEL_SCALE, TIE_POINTS, TRANSFORM, KEYS))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def write_georeference(picture: Path, georeference: str) -> None:
    """Write it beside a picture with as many pixels as the image."""
    write_whole(picture.with_name(picture.name + SIDECAR), georeference)
