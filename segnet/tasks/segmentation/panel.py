"""The prediction panel: image, label, prediction and errors, side by side."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from segnet.data import DataModule
from segnet.data.images import as_rgb
from segnet.data.samples import Sample
from segnet.metrics import image_confusions, scores
from segnet.tasks.panel_rows import choose_rows, shorten
from segnet.tasks.segmentation.pictures import WRONG_COLOUR, colour_of_ignored, colourise, colourise_label, error_map
from segnet.tasks.segmentation.prediction import predict, predict_batches

CELL = 3.2
"""Width of a picture, inches."""
TITLE = 0.5
"""Height of what stands above a row, inches."""


def draw_panel(network: nn.Module, data: DataModule, split: str) -> bytes:
    """Draw the images of a split on which the network does worst, median and best, by their own mIoU.

    Returns:
        The picture as PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    network.eval()
    samples, names = data.eval_loader(split).dataset, data.split(split).ids
    found = image_mious(network, data, split)
    rows = choose_rows(found)
    shown = [samples[index] for _, index in rows]
    heights = [CELL * sample["label"].shape[0] / sample["label"].shape[1] + TITLE for sample in shown]
    figure = Figure(figsize=(4 * CELL, sum(heights) + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 4, squeeze=False, gridspec_kw={"height_ratios": heights})
    ignored = colour_of_ignored(data.colours)
    for row, sample, (rule, index) in zip(axes, shown, rows, strict=True):
        _draw_row(row, network, sample, data, ignored)
        title = f"{rule} of {len(names)}: {shorten(names[index])}, mIoU {_percent(found[index])}"
        row[0].set_title(f"{title}\nimage", loc="left", fontsize=10)
        for axis, what in zip(row[1:], ("label", "prediction", "errors"), strict=True):
            axis.set_title(what, loc="left", fontsize=10)
    patches = [
        Patch(facecolor=_unit_colour(colour), edgecolor="grey", label=name)
        for name, colour in [
            *zip(data.classes, data.colours, strict=True),
            ("not scored", ignored),
            ("error", WRONG_COLOUR),
        ]
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=7, fontsize=9, frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def image_mious(network: nn.Module, data: DataModule, split: str) -> np.ndarray:
    """Score each image of a split by itself: the mean IoU of the classes that occur in it; NaN where nothing counts."""
    facts = (len(data.classes), data.ignore_index)
    found = [
        scores(torch.as_tensor(confusion), data.ignore_index).miou
        for predictions, labels in predict_batches(network, data.eval_loader(split))
        for confusion in image_confusions(predictions, labels, *facts)
    ]
    return np.array(found)


def _percent(miou: float) -> str:
    return "none: nothing is scored" if np.isnan(miou) else f"{miou:.3f}"


def _unit_colour(colour: Sequence[int]) -> tuple[float, float, float]:
    red, green, blue = (channel / 255 for channel in colour)
    return red, green, blue


def _draw_row(
    axes: np.ndarray, network: nn.Module, sample: Sample, data: DataModule, ignored: tuple[int, int, int]
) -> None:
    label = sample["label"].numpy()
    prediction = predict(network, sample["image"][None], label.shape)[0].cpu().numpy()
    image = sample["image"].permute(1, 2, 0).numpy()
    pictures = (
        as_rgb(image),
        colourise_label(label, data.colours, data.ignore_index),
        colourise(prediction, data.colours),
        error_map(prediction, label, data.ignore_index, ignored),
    )
    for axis, picture in zip(axes, pictures, strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
