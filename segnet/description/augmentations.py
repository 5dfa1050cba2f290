"""What the augmentations do to images and labels, as a picture."""

import io

import numpy as np

from segnet.data import DataModule
from segnet.data.images import as_rgb
from segnet.data.samples import evaluation_stream
from segnet.description.measure import evenly
from segnet.errors import require
from segnet.tasks.panel_rows import shorten
from segnet.tasks.segmentation.pictures import colour_of_ignored, colourise_label, overlay

CELL = 2.6
"""Width of a picture, inches."""
OPACITY = 0.55


def draw_augmentations(data: DataModule, samples: int, epochs: int) -> bytes:
    """Draw training samples as they are, and as the network sees them in the first epochs: the very pixels.

    Of each sample there are two rows, its images and the same with the labels laid over them.

    Args:
        data: the data module.
        samples: how many, evenly spaced over the training split.
        epochs: how many draws of each.

    Returns:
        The picture as PNG.
    """
    require(samples >= 1, "shown", samples, "a number from 1 up")
    require(epochs >= 1, "draws", epochs, "a number from 1 up")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    dataset = data.source("train")
    places = evenly(len(dataset.ids), samples)
    rows = [row for place in places for row in _rows(data, place, epochs)]
    heights = [max(picture.shape[0] / picture.shape[1] for picture in row) for row in rows]
    figure = Figure(figsize=((1 + epochs) * CELL, CELL * sum(heights) + 0.12 * len(rows) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 1 + epochs, squeeze=False, gridspec_kw={"height_ratios": heights})
    for number, (line, row) in enumerate(zip(axes, rows, strict=True)):
        for column, (axis, picture) in enumerate(zip(line, row, strict=True)):
            axis.imshow(picture, interpolation="nearest")
            axis.set_axis_off()
            name = shorten(dataset.ids[places[number // 2]], 20) if column == 0 else f"epoch {column - 1}"
            if number % 2 == 0:
                size = f"{picture.shape[1]}x{picture.shape[0]}"
                axis.set_title(f"{name}, {size}", loc="left", fontsize=8)
    entries = [*zip(data.classes, data.colours, strict=True), ("ignored", colour_of_ignored(data.colours))]
    patches = [
        Patch(facecolor="#" + "".join(f"{channel:02x}" for channel in colour), edgecolor="grey", label=name)
        for name, colour in entries
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=7, fontsize=8, frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def _rows(data: DataModule, place: int, epochs: int) -> list[list[np.ndarray]]:
    """Return the images of a sample, and the same with its labels: the original, and one draw for each epoch."""
    dataset = data.source("train")
    image, label = dataset.load(place, evaluation_stream(dataset.ids[place]))
    drawn, collate = data.training_samples(dataset), data.collate
    pairs = [(np.array(image), np.array(label))]
    for epoch in range(epochs):
        batch = collate([drawn[epoch * data.passes, place]]).augment()
        pairs.append((batch["image"][0].permute(1, 2, 0).numpy(), batch["label"][0].numpy()))
    return [[as_rgb(image) for image, _ in pairs], [_with_labels(*pair, data) for pair in pairs]]


def _with_labels(image: np.ndarray, label: np.ndarray, data: DataModule) -> np.ndarray:
    return overlay(as_rgb(image), colourise_label(label, data.colours, data.ignore_index), OPACITY)
