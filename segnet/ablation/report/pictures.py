"""The pictures of a report, small enough to travel inside the page."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from segnet.ablation.results.inspection import Crop
from segnet.tasks.segmentation.pictures import IGNORED_COLOUR, RIGHT_COLOUR, WRONG_COLOUR


def data_uri(pixels: np.ndarray, form: str = "PNG", **options: Any) -> str:
    """Encode ``(H, W)`` or ``(H, W, 3)`` uint8 as an address that holds the picture itself."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def photograph(image: np.ndarray) -> str:
    """Encode an image ``(H, W, C)`` uint8 with one or three channels."""
    return data_uri(image[..., 0] if image.shape[-1] == 1 else image, "WEBP", quality=88)


def few_colours(pixels: np.ndarray, colours: Sequence[Sequence[int]]) -> str:
    """Encode places ``(H, W)`` in a list of colours: lossless, and a fraction of the size."""
    picture = Image.fromarray(pixels.astype(np.uint8))
    picture.putpalette([channel for colour in colours for channel in colour])
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def crop_pictures(crop: Crop, colours: list[Sequence[int]], ignore_index: int) -> dict[str, Any]:
    """Encode a crop: image, label, and for each arm its prediction and its errors."""
    void = len(colours)
    palette = [*colours, IGNORED_COLOUR]
    label = np.where(crop.label == ignore_index, void, crop.label)
    arms = {}
    for arm, prediction in crop.predictions.items():
        errors = np.where(crop.label == ignore_index, 2, prediction != crop.label)
        scored = crop.label != ignore_index
        arms[arm] = {
            "prediction": few_colours(prediction, palette),
            "errors": few_colours(errors, [RIGHT_COLOUR, WRONG_COLOUR, IGNORED_COLOUR]),
            "wrong": float((prediction != crop.label)[scored].mean()) if scored.any() else 0.0,
        }
    return {
        "name": crop.name,
        "top": crop.place[0],
        "left": crop.place[1],
        "height": crop.label.shape[0],
        "width": crop.label.shape[1],
        "disagreement": crop.disagreement,
        "image": photograph(crop.image),
        "label": few_colours(label, palette),
        "arms": arms,
    }


def heat_maps(maps: dict[str, np.ndarray]) -> dict[str, str]:
    """Encode maps ``(h, w)``, each scaled to its own 99th percentile: it is the pattern that is to be seen."""
    import matplotlib

    colours = matplotlib.colormaps["magma"]
    encoded = {}
    for arm, values in maps.items():
        top = float(np.quantile(values, 0.99)) or 1.0
        encoded[arm] = data_uri((colours(np.clip(values / top, 0, 1))[..., :3] * 255).round().astype(np.uint8))
    return encoded
