"""Draw the pictures of docs/notes.md from the operators themselves: ``python scripts/notes_figures.py [FOLDER]``."""

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from segnet.layers import (
    AtrousRegularConvolution,
    BedOfNails,
    Bicubic,
    Bilinear,
    Carafe,
    DySample,
    FlippedConvolution,
    MaxPool,
    MaxUnpool,
    Nearest,
    PixelShuffle,
    RegularConvolution,
    SeparableConvolution,
    SumFusion,
    TransposedConvolution,
)
from segnet.models import initialise

IMAGES = Path(__file__).parent.parent / "docs" / "images"
MAP = torch.tensor([[3.0, 4, 1], [1, 7, 5], [2, 0, 6]])[None, None]


def draw_map(axes: Axes, values: Tensor | np.ndarray, title: str, limit: float | None = None) -> None:
    """Draw a small map with a number in each pixel; blue is negative, red positive, white zero."""
    values = np.asarray(values.detach().squeeze() if isinstance(values, Tensor) else values, dtype=float)
    values = np.atleast_2d(values) + 0.0  # no negative zeros
    limit = limit or max(abs(values).max(), 1e-9)
    axes.imshow(values, cmap="RdBu_r", vmin=-1.4 * limit, vmax=1.4 * limit)
    axes.set_title(title, fontsize=9)
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, [])
    axes.set_yticks(np.arange(values.shape[0] + 1) - 0.5, [])
    axes.grid(color="0.6", linewidth=0.6)
    axes.tick_params(length=0)
    size = 9 if values.shape[1] <= 4 else 7
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.1f}".removesuffix(".0")
        if text not in ("0", "-0"):
            axes.text(column, row, text, ha="center", va="center", fontsize=size)


def new_figure(columns: int, rows: int = 1, width: float = 2.1, height: float = 2.2) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained", dpi=90)
    return figure, list(np.ravel(figure.subplots(rows, columns)))


def with_kernel(module: nn.Conv2d, kernel: Tensor) -> nn.Conv2d:
    with torch.no_grad():
        module.weight.copy_(kernel)
    return module


def flip() -> Figure:
    """A single one shows the kernel: convolution prints it as it is, cross-correlation flipped."""
    kernel = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    impulse = torch.zeros(1, 1, 5, 5)
    impulse[..., 2, 2] = 1
    figure, axes = new_figure(4)
    draw_map(axes[0], kernel, "kernel")
    draw_map(axes[1], impulse, "input")
    draw_map(axes[2], with_kernel(RegularConvolution(1, 1), kernel)(impulse), "cross-correlation (regular)")
    draw_map(axes[3], with_kernel(FlippedConvolution(1, 1), kernel)(impulse), "convolution (flipped)")
    return figure


def stride_and_padding() -> Figure:
    """Sums of 3x3 ones, at the sizes that stride and padding give."""
    ones, image = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 7, 7)
    figure, axes = new_figure(4)
    draw_map(axes[0], image, "input 7x7")
    for place, (title, settings) in zip(
        axes[1:],
        {
            "valid: 5x5, 2l smaller": {"padding": "valid"},
            "same: 7x7": {},
            "same, stride 2: 4x4": {"stride": 2},
        }.items(),
        strict=True,
    ):
        draw_map(place, with_kernel(RegularConvolution(1, 1, **settings), ones)(image), title)
    return figure


def paths(layers: nn.Module, size: int = 17) -> Tensor:
    """Number of ways from each input pixel to the output pixel in the middle, all taps being one."""
    for parameter in layers.parameters():
        nn.init.ones_(parameter)
    image = torch.zeros(1, 1, size, size, requires_grad=True)
    layers(image)[..., size // 2, size // 2].sum().backward()
    return image.grad[0, 0]


def draw_field(axes: Axes, layers: nn.Module, title: str) -> None:
    seen = paths(layers).sign().numpy()
    draw_map(axes, np.zeros_like(seen), title)
    axes.imshow(seen, cmap="Reds", vmin=0, vmax=1.6)
    side = int(np.ptp(seen.max(axis=0).nonzero()[0])) + 1
    axes.set_xlabel(f"{side}x{side}, {int(seen.sum())} pixels seen", fontsize=8)


def stack(*dilations: int) -> nn.Sequential:
    return nn.Sequential(*(RegularConvolution(1, 1, dilation=dilation) for dilation in dilations))


def receptive_field() -> Figure:
    """Three 3x3 layers; doubling the dilation each time grows the field at the same number of parameters."""
    figure, axes = new_figure(6, width=1.9, height=2.3)
    for place, dilations in zip(axes, [(1,), (1, 1), (1, 1, 1), (2,), (1, 2), (1, 2, 4)], strict=True):
        draw_field(place, stack(*dilations), f"dilation {', '.join(map(str, dilations))}")
    return figure


def atrous_regular() -> Figure:
    """The pixels that each branch sees, and those that both together see."""
    figure, axes = new_figure(3, height=2.4)
    draw_field(axes[0], stack(1), "regular branch")
    draw_field(axes[1], stack(4), "atrous branch, dilation 4")
    draw_field(axes[2], AtrousRegularConvolution(1, 1, dilation=4, fusion=SumFusion), "both, summed")
    return figure


def cost() -> Figure:
    """The notes' example, counted from the modules."""
    regular, separable = (kind(3, 12, padding="valid") for kind in (RegularConvolution, SeparableConvolution))
    places = regular(torch.zeros(1, 3, 32, 32))[0, 0].numel()
    parameters = [sum(p.numel() for p in module.parameters()) for module in (regular, separable)]
    figure, axes = new_figure(2, width=3.2)
    names = ["regular", "separable"]
    for place, counts, title in (
        (axes[0], [places * count for count in parameters], "multiplications, 32x32x3 to 30x30x12"),
        (axes[1], parameters, "parameters"),
    ):
        bars = place.barh(names, counts, color=["#c44", "#48a"])
        place.bar_label(bars, [f"{count:,}" for count in counts], padding=3, fontsize=8)
        place.set_xlim(0, 1.3 * max(counts))
        place.set_title(title, fontsize=9)
        place.invert_yaxis()
        place.set_xticks([])
        place.spines[["top", "right", "bottom"]].set_visible(False)
    return figure


def transposed_example() -> Figure:
    """The notes' 2x2 to 3x3 example: four stamps and their sum."""
    features, kernel = torch.tensor([[3.0, 4], [1, 7]]), torch.tensor([[2.0, 0], [1, -1]])
    stamps = []
    for row, column in np.ndindex(2, 2):
        stamp = torch.zeros(3, 3)
        stamp[row : row + 2, column : column + 2] = features[row, column] * kernel
        stamps.append(stamp)
    figure, axes = new_figure(7, width=1.6, height=1.9)
    draw_map(axes[0], features, "feature map", limit=15)
    draw_map(axes[1], kernel, "kernel", limit=15)
    for place, stamp, value in zip(axes[2:6], stamps, features.flatten().tolist(), strict=True):
        draw_map(place, stamp, f"{value:g} x kernel", limit=15)
    draw_map(axes[6], sum(stamps), "sum", limit=15)
    return figure


def fixed_upsamplers() -> Figure:
    """The notes' numbers 1 to 5 on one 3x3 map."""
    torch.manual_seed(0)
    _, indices = MaxPool(1)(torch.rand(1, 1, 6, 6))
    stamped = TransposedConvolution(1)
    tent = torch.tensor([1.0, 3, 3, 1]) / 4
    with torch.no_grad():
        stamped.weight.copy_(torch.outer(tent, tent))
    figure, axes = new_figure(4, 2)
    draw_map(axes[0], MAP, "input 3x3")
    draw_map(axes[1], Nearest(1)(MAP, (6, 6)), "nearest")
    draw_map(axes[2], Bilinear(1)(MAP, (6, 6)), "bilinear")
    draw_map(axes[3], Bicubic(1)(MAP, (6, 6)), "bicubic")
    draw_map(axes[4], BedOfNails(1)(MAP, (6, 6)), "bed_of_nails")
    draw_map(axes[5], MaxUnpool(1)(MAP, (6, 6), indices), "max_unpool (of a random pooling)")
    draw_map(axes[6], stamped.weight, "a 4x4 kernel")
    draw_map(axes[7], stamped(MAP, (6, 6)), "transposed_conv with it")
    return figure


def learned_upsamplers() -> Figure:
    """The learned ones as they start."""
    figure, axes = new_figure(5)
    draw_map(axes[0], MAP, "input 3x3")
    for place, title, module in (
        (axes[1], "transposed_conv", TransposedConvolution(1)),
        (axes[2], "pixel_shuffle (ICNR)", PixelShuffle(1)),
        (axes[3], "carafe", Carafe(1)),
        (axes[4], "dysample", DySample(1, groups=1)),
    ):
        initialise(module, seed=0)
        draw_map(place, module(MAP, (6, 6)), title)
    return figure


FIGURES = {
    "flip": flip,
    "stride_and_padding": stride_and_padding,
    "receptive_field": receptive_field,
    "atrous_regular": atrous_regular,
    "separable_cost": cost,
    "transposed_example": transposed_example,
    "fixed_upsamplers": fixed_upsamplers,
    "learned_upsamplers": learned_upsamplers,
}


def main(folder: Path = IMAGES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        draw().savefig(folder / f"{name}.png")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
