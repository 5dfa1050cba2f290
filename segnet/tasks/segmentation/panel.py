"""The prediction panel: image, label, prediction and errors, side by side."""

import io
from collections.abc import Sequence

import numpy as np
from torch import nn

from segnet.data import DataModule
from segnet.data.samples import Sample
from segnet.tasks.segmentation.pictures import IGNORED_COLOUR, WRONG_COLOUR, colourise, error_map
from segnet.tasks.segmentation.prediction import predict


def draw_panel(network: nn.Module, data: DataModule, split: str, rows: int = 4) -> bytes:
    """Draw ``rows`` evenly spaced samples of a split, with the classes' colours; return the picture as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    network.eval()
    samples, names = data.eval_loader(split).dataset, data.split(split).ids
    chosen = np.unique(np.linspace(0, len(names) - 1, rows).round().astype(int))
    height, width = samples[0]["label"].shape
    cell = 3.2
    figure = Figure(figsize=(4 * cell, (len(chosen) * height / width) * cell + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(chosen), 4, squeeze=False)
    for row, index in zip(axes, chosen, strict=True):
        _draw_row(row, network, samples[int(index)], data, names[int(index)])
    for axis, title in zip(axes[0], ("image", "label", "prediction", "errors"), strict=True):
        axis.set_title(title)
    patches = [
        Patch(facecolor=_unit_colour(colour), edgecolor="grey", label=name)
        for name, colour in [
            *zip(data.classes, data.colours, strict=True),
            ("not scored", IGNORED_COLOUR),
            ("error", WRONG_COLOUR),
        ]
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=7, fontsize=8, frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def _unit_colour(colour: Sequence[int]) -> tuple[float, float, float]:
    red, green, blue = (channel / 255 for channel in colour)
    return red, green, blue


def _draw_row(axes: np.ndarray, network: nn.Module, sample: Sample, data: DataModule, name: str) -> None:
    label = sample["label"].numpy()
    prediction = predict(network, sample["image"][None], label.shape)[0].cpu().numpy()
    image = sample["image"].permute(1, 2, 0).numpy()
    pictures = (
        image if image.shape[-1] == 3 else np.repeat(image, 3, axis=-1),
        colourise(np.where(label == data.ignore_index, 255, label), data.colours),
        colourise(prediction, data.colours),
        error_map(prediction, label, data.ignore_index),
    )
    for axis, picture in zip(axes, pictures, strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0].set_ylabel(name, fontsize=7)
