"""Measure where an exact form begins to pay: what the rules in segnet/layers/rewrite_rules.py rest on.

    python scripts/benchmarks/rules.py                    all on the CPU (about 5 minutes)
    python scripts/benchmarks/rules.py --only phases --dtypes bf16

Nearest neighbour and 3x3 at several channel counts and sizes, and dilated depthwise convolutions at several dilations;
forward and backward, channels_last unless --contiguous. Writes docs/performance/rules-DEVICE.json.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from operators import DTYPES, step
from results import Timing, update_rows
from torch import Tensor
from torch.nn import functional as F

from segnet.layers import Kernel, Nearest
from segnet.layers.exact import convolve_by_phases, convolve_nearest

NEAREST = [  # batch, channels in, channels out, height and width of the features
    *((4, 512, 256, *size) for size in [(8, 10), (16, 20), (32, 40)]),
    *((4, 256, 128, *size) for size in [(8, 10), (16, 20), (32, 40)]),
    *((4, 64, 64, *size) for size in [(8, 10), (16, 20), (32, 40), (64, 80)]),
    *((2, 16, 16, *size) for size in [(32, 40), (64, 80), (128, 160)]),
    (1, 512, 256, 8, 10),
    (1, 64, 64, 32, 40),
]
PHASES = [(4, 64, 96, 128, dilation) for dilation in (2, 4, 6, 12, 14, 15, 16, 18)] + [(4, 128, 32, 40, 8)]


def nearest_pair(shape: tuple[int, ...], dtype: torch.dtype, device: str, layout: torch.memory_format) -> tuple:
    """Return plain and exact of nearest neighbour and 3x3."""
    batch, channels, outputs, height, width = shape
    features = draw(batch, channels, height, width, dtype=dtype, device=device, layout=layout)
    weight = draw(outputs, channels, 3, 3, dtype=torch.float32, device=device, layout=layout)
    enlarge, size = Nearest(channels), (2 * height, 2 * width)
    return (
        partial(step, lambda: F.conv2d(enlarge(features, size), weight, padding=1), [features], [weight]),
        partial(step, lambda: convolve_nearest(features, Kernel(weight), size), [features], [weight]),
    )


def phases_pair(shape: tuple[int, ...], dtype: torch.dtype, device: str, layout: torch.memory_format) -> tuple:
    """Return plain and exact of a dilated depthwise 3x3."""
    batch, channels, height, width, dilation = shape
    features = draw(batch, channels, height, width, dtype=dtype, device=device, layout=layout)
    weight = draw(channels, 1, 3, 3, dtype=torch.float32, device=device, layout=torch.contiguous_format)
    kernel = Kernel(weight, None, dilation, channels)
    return (
        partial(step, lambda: F.conv2d(features, weight, None, 1, dilation, dilation, channels), [features], [weight]),
        partial(step, lambda: convolve_by_phases(features, kernel), [features], [weight]),
    )


def draw(*shape: int, dtype: torch.dtype, device: str, layout: torch.memory_format) -> Tensor:
    return torch.randn(shape, dtype=dtype, device=device).contiguous(memory_format=layout).requires_grad_()


def main() -> None:
    """Time the chosen cells and write them beside the others."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--only", choices=("nearest", "phases"))
    parser.add_argument("--contiguous", action="store_true", help="instead of channels_last")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, help="default: docs/performance/rules-DEVICE.json")
    options = parser.parse_args()
    layout = torch.contiguous_format if options.contiguous else torch.channels_last
    rows = []
    for form, build, shapes in (("nearest", nearest_pair, NEAREST), ("phases", phases_pair, PHASES)):
        for dtype in options.dtypes if options.only in (None, form) else []:
            for shape in shapes:
                plain, exact = build(shape, DTYPES[dtype], options.device, layout)
                setting = {"dtype": dtype, "layout": "contiguous" if options.contiguous else "channels_last"}
                timing = Timing(plain, exact, options.device, options.repeats, form)
                rows.append({"shape": "x".join(map(str, shape))} | setting | timing.row)
                print(rows[-1], flush=True)
    path = options.output or Path(__file__).parents[2] / f"docs/performance/rules-{options.device}.json"
    title = "Where exact forms begin to pay: batch x channels (x outputs) x height x width (x dilation) of the features"
    update_rows(path, title, options.device, rows, keys=("form", "shape", "dtype", "layout"))


if __name__ == "__main__":
    main()
