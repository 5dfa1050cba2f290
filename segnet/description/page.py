"""The page of a data set: one file that opens from the disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segnet.data import DataModule
from segnet.data.images import as_rgb
from segnet.description import charts, words
from segnet.description.describe import Description, Shown
from segnet.description.measure import Split, class_shares, class_sizes
from segnet.pages import photograph, render
from segnet.tasks.segmentation.pictures import colour_of_ignored, colourise_label, overlay

TEMPLATES = Path(__file__).parent / "template"
LONGEST_SIDE = 480
"""Of a picture in the page, pixels."""
OPACITY = 0.55


def render_page(description: Description, data: DataModule, facts: Mapping[str, str]) -> str:
    """Render the page; the same arguments give the same page.

    Args:
        description: what was measured.
        data: the data module.
        facts: what the page says of its making, by name; "data" is its title.
    """
    made = [
        charts.frequencies(description, data),
        charts.components(description, data),
        charts.image_sizes(description),
        charts.ceilings(description.ceilings),
    ]
    train = description.splits["train"]
    context = {
        "facts": facts,
        "headline": _headline(description, data),
        "notices": words.notices(description, data),
        "splits": [_split_row(name, split) for name, split in description.splits.items()],
        "split_names": list(description.splits),
        "classes": [_class_row(place, name, description, data) for place, name in enumerate(data.classes)],
        "schemes": list(description.weights),
        "images_read": len(train.samples),
        "ceiling_table": words.ceilings_table(description),
        "ceiling_images": description.ceiling_images,
        "recipe": description.recipe,
        "colours": description.colours,
        "shown": [_pictures(shown, data) for shown in description.shown],
        "swatches": [*zip(data.classes, data.colours, strict=True), ("ignored", colour_of_ignored(data.colours))],
    }
    return render(TEMPLATES, "dataset.html", context, {chart["key"]: chart for chart in made if chart})


def _headline(description: Description, data: DataModule) -> str:
    total = sum(split.total for split in description.splits.values())
    train = description.splits["train"]
    shares = class_shares(train)
    order = [place for place in np.argsort(-shares, kind="stable") if shares[place] > 0]
    sentence = f"{total:,} images of {len(data.classes)} classes, {words.sizes_text(train)} pixels."
    if len(order) < 2:
        return sentence
    most, least = data.classes[order[0]], data.classes[order[-1]]
    return (
        f"{sentence} Of the training pixels {words.percent(shares[order[0]])}% are {most}, and "
        f"{words.percent(shares[order[-1]], 2)}% {least}."
    )


def _split_row(name: str, split: Split) -> dict[str, Any]:
    scored = max(1, int(split.pixel_counts.sum()))
    return {
        "name": name,
        "images": words.read_text(split),
        "groups": f"{split.groups:,}",
        "sizes": words.sizes_text(split),
        "ignored": words.percent(split.ignored),
        "boundary": words.percent(float(split.boundary.sum()) / scored),
        "boundary_length": f"{float(split.boundary.sum()) / max(1, len(split.samples)):,.0f}",
    }


def _class_row(place: int, name: str, description: Description, data: DataModule) -> dict[str, Any]:
    train = description.splits["train"]
    sizes = class_sizes(train, place)
    pixels = int(train.pixel_counts[:, place].sum())
    return {
        "name": name,
        "colour": data.colours[place],
        "shares": [words.percent(float(class_shares(split)[place]), 2) for split in description.splits.values()],
        "images": int((train.pixel_counts[:, place] > 0).sum()),
        "boundary": words.percent(train.boundary[place] / pixels) if pixels else words.MISSING,
        "parts": words.number(sizes.per_image) if sizes else words.MISSING,
        "size": words.percent(sizes.median, 3) if sizes else words.MISSING,
        "small": words.percent(sizes.small, 0) if sizes else words.MISSING,
        "weights": [words.number(float(weights[place])) for weights in description.weights.values()],
    }


def _pictures(shown: Shown, data: DataModule) -> dict[str, Any]:
    height, width = shown.label.shape
    factor = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = as_rgb(shown.image)
    colours = colourise_label(shown.label, data.colours, data.ignore_index)
    pair = [image, overlay(image, colours, OPACITY)]
    small = [np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)) for pixels in pair]
    return {
        "name": shown.name,
        "width": size[0],
        "height": size[1],
        "image": photograph(small[0]),
        "overlay": photograph(small[1]),
    }
