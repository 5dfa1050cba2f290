"""The panel of super-resolution: input, bicubic interpolation, result, target and errors, side by side."""

import io
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.data import DataModule
from segnet.data.images import as_rgb
from segnet.data.samples import as_float
from segnet.metrics import psnr
from segnet.tasks.panel_rows import choose_rows, shorten
from segnet.tasks.super_resolution.low_resolution import low_resolution_pair
from segnet.tasks.super_resolution.network import enlarge

if TYPE_CHECKING:
    from matplotlib.image import AxesImage

LARGEST_CROP = 48
LARGEST_ERROR = 0.25


def draw_panel(network: nn.Module, data: DataModule, split: str, factor: int) -> bytes:
    """Draw the images on which the network does worst, median and best, by the PSNR of the whole image.

    Of each the part is shown where bicubic interpolation errs most.

    Returns:
        The picture as PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    network.eval()
    samples, names = data.eval_loader(split).dataset, data.split(split).ids
    found = [psnr(*_enlarge(network, samples[index]["image"], factor)[1:]).item() for index in range(len(names))]
    chosen = choose_rows(np.array(found))
    height, width = (min(LARGEST_CROP, side) for side in samples[0]["image"].shape[-2:])
    cell = 2.6
    figure = Figure(figsize=(5 * cell + 1, len(chosen) * (cell * height / width + 0.3)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(chosen), 5, squeeze=False)
    error_maps = []
    for row, (rule, index) in zip(axes, chosen, strict=True):
        error_maps.append(_draw_row(row, network, samples[index]["image"], factor))
        row[0].set_ylabel(f"{rule} of {len(names)}\n{shorten(names[index])}", fontsize=8)
    bar = figure.colorbar(error_maps[0], ax=axes, shrink=0.6, extend="max")
    bar.set_label("absolute error of the network, mean over the channels")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


@torch.inference_mode()
def _enlarge(network: nn.Module, image: Tensor, factor: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the network sees of an image ``(C, H, W)``, what it makes of it, and what it should be."""
    small, target = low_resolution_pair(as_float(image)[None], factor)
    return small, network(small.to(next(network.parameters()).device)).cpu().clamp(0, 1), target


def _draw_row(axes: np.ndarray, network: nn.Module, image: Tensor, factor: int) -> "AxesImage":
    """Draw one sample and return its error map, which the colour bar explains."""
    small, enlarged, target = _enlarge(network, image, factor)
    bicubic = enlarge(small, factor).clamp(0, 1)
    top, left, side = _worst_window((bicubic - target).abs().mean(1, keepdim=True), factor)
    nearest = small.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    pictures = {
        f"input, x{factor} smaller": nearest,
        f"bicubic, {psnr(bicubic, target).item():.2f} dB": bicubic,
        f"network, {psnr(enlarged, target).item():.2f} dB": enlarged,
        "target": target,
    }
    for axis, (title, picture) in zip(axes, pictures.items(), strict=False):
        crop = picture[0, :, top : top + side[0], left : left + side[1]].permute(1, 2, 0).numpy()
        axis.imshow(as_rgb(crop), interpolation="nearest")
        axis.set_title(title, fontsize=9)
    errors = (enlarged - target).abs().mean(1)[0, top : top + side[0], left : left + side[1]]
    drawn: AxesImage = axes[-1].imshow(
        errors.numpy(), interpolation="nearest", cmap="magma", vmin=0, vmax=LARGEST_ERROR
    )
    axes[-1].set_title("error of the network", fontsize=9)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    return drawn


def _worst_window(errors: Tensor, factor: int) -> tuple[int, int, tuple[int, int]]:
    """Find the window of at most 48 pixels a side where ``(1, 1, H, W)`` errors are largest, whole input pixels.

    Returns:
        Top, left, and (height, width).
    """
    side = min(LARGEST_CROP, errors.shape[-2]), min(LARGEST_CROP, errors.shape[-1])
    means = F.avg_pool2d(errors, side, stride=factor)[0, 0]
    top, left = divmod(int(means.argmax()), means.shape[1])
    return top * factor, left * factor, side
