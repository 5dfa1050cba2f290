"""The pictures of a report, small enough to travel inside the page."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from PIL import Image

from segnet.ablation.results.inspection import Crop
from segnet.pages.pictures import data_uri, few_colours, photograph
from segnet.tasks.segmentation.pictures import RIGHT_COLOUR, WRONG_COLOUR, colour_of_ignored


class ArmPictures(TypedDict):
    """An arm's prediction on a crop and its errors, as data URIs, and the share of pixels that are wrong."""

    prediction: str
    errors: str
    wrong: float


class CropPictures(TypedDict):
    """A crop as the page shows it: image and label as data URIs."""

    name: str
    height: int
    width: int
    disagreement: float
    image: str
    label: str
    arms: dict[str, ArmPictures]


def crop_pictures(crop: Crop, colours: Sequence[Sequence[int]], ignore_index: int) -> CropPictures:
    """Encode a crop: image, label, and for each arm its prediction and its errors."""
    void, ignored = len(colours), colour_of_ignored(colours)
    palette = [*colours, ignored]
    label = np.where(crop.label == ignore_index, void, crop.label)
    arms: dict[str, ArmPictures] = {}
    for arm, prediction in crop.predictions.items():
        errors = np.where(crop.label == ignore_index, 2, prediction != crop.label)
        scored = crop.label != ignore_index
        arms[arm] = {
            "prediction": few_colours(prediction, palette),
            "errors": few_colours(errors, [RIGHT_COLOUR, WRONG_COLOUR, ignored]),
            "wrong": float((prediction != crop.label)[scored].mean()) if scored.any() else 0.0,
        }
    return {
        "name": crop.name,
        "height": crop.label.shape[0],
        "width": crop.label.shape[1],
        "disagreement": crop.disagreement,
        "image": photograph(crop.image),
        "label": few_colours(label, palette),
        "arms": arms,
    }


def heat_maps(maps: dict[str, npt.NDArray[np.float32]]) -> dict[str, str]:
    """Encode maps ``(h, w)``, each scaled to its own 99th percentile, to show the pattern."""
    import matplotlib

    colours = matplotlib.colormaps["magma"]
    encoded = {}
    for arm, values in maps.items():
        top = float(np.quantile(values, 0.99)) or 1.0
        pixels = (colours(np.clip(values / top, 0, 1))[..., :3] * 255).round().astype(np.uint8)
        encoded[arm] = data_uri(Image.fromarray(pixels))
    return encoded
