"""Measure where an exact form begins to pay: what the rules in segnet/layers/rewrites/rules.py rest on.

    python -m scripts.benchmarks.rules                    all on the CPU (about a minute)
    python -m scripts.benchmarks.rules --only depthwise --dtypes bf16

Nearest neighbour and 3x3 at several channel counts and sizes, and depthwise convolutions at several dilations and with
strides; forward and backward, channels_last unless --contiguous. Writes docs/performance/rules-DEVICE.json.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.benchmarks.operators import DTYPES, step
from scripts.benchmarks.record import check_device, parser
from scripts.benchmarks.results import Record, time_pair
from segnet.layers import Kernel, Nearest
from segnet.layers.grouped import convolve_grouped
from segnet.layers.rewrites.exact import convolve_nearest

ABOUT = """\
Forward and backward, whatever the rules say. Nearest neighbour and 3x3: batch x channels x channels out x height x
width of what is upsampled. Depthwise 3x3 with the gradients of `segnet/layers/grouped.py`: batch x channels x height x
width, dilation, stride. On a processor with AVX512-BF16, torch's own gradients of the weights of an atrous depthwise
convolution in bf16 are wrong (channels_last, oneDNN 3.13), so that there is only one form to use, whatever its time.
"""
NEAREST = [  # batch, channels in, channels out, height and width of the features
    *((4, 512, 256, *size) for size in [(8, 10), (16, 20), (32, 40)]),
    *((4, 256, 128, *size) for size in [(8, 10), (16, 20), (32, 40)]),
    *((4, 64, 64, *size) for size in [(8, 10), (16, 20), (32, 40), (64, 80)]),
    *((2, 16, 16, *size) for size in [(32, 40), (64, 80), (128, 160)]),
    (1, 512, 256, 8, 10),
    (1, 64, 64, 32, 40),
]
DEPTHWISE = [  # batch, channels, height, width, dilation, stride
    *((4, 64, 96, 128, dilation, 1) for dilation in (2, 4, 6, 8, 12, 18)),
    *((4, 256, 24, 24, dilation, 1) for dilation in (2, 6, 12, 18)),
    (4, 960, 12, 12, 2, 1),
    (4, 96, 96, 96, 1, 2),
    (4, 144, 48, 48, 1, 2),
]


def nearest_pair(shape: tuple[int, ...], dtype: torch.dtype, device: str, layout: torch.memory_format) -> tuple:
    """Return plain and exact of nearest neighbour and 3x3."""
    batch, channels, outputs, height, width = shape
    features = draw(batch, channels, height, width, dtype=dtype, device=device, layout=layout)
    weight = draw(outputs, channels, 3, 3, dtype=torch.float32, device=device, layout=layout)
    enlarge, size = Nearest(channels), (2 * height, 2 * width)
    return (
        step(lambda: F.conv2d(enlarge(features, size), weight, padding=1), [features], [weight]),
        step(lambda: convolve_nearest(features, Kernel(weight), size), [features], [weight]),
    )


def depthwise_pair(shape: tuple[int, ...], dtype: torch.dtype, device: str, layout: torch.memory_format) -> tuple:
    """Return torch's own and ours of a depthwise 3x3."""
    batch, channels, height, width, dilation, stride = shape
    features = draw(batch, channels, height, width, dtype=dtype, device=device, layout=layout)
    weight = draw(channels, 1, 3, 3, dtype=torch.float32, device=device, layout=torch.contiguous_format)
    setting = stride, dilation, channels
    plain = partial(F.conv2d, features, weight, None, stride, dilation, dilation, channels)
    return (
        step(plain, [features], [weight]),
        step(lambda: convolve_grouped(features, weight, None, *setting), [features], [weight]),
    )


def draw(*shape: int, dtype: torch.dtype, device: str, layout: torch.memory_format) -> Tensor:
    return torch.randn(shape, dtype=dtype, device=device).contiguous(memory_format=layout).requires_grad_()


def main() -> None:
    """Time the chosen cells and write them beside the others."""
    arguments = parser(__doc__)
    arguments.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    arguments.add_argument("--only", choices=("nearest", "depthwise"))
    arguments.add_argument("--contiguous", action="store_true", help="instead of channels_last")
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    check_device(arguments, options.device)
    layout = torch.contiguous_format if options.contiguous else torch.channels_last
    title = "Where exact forms begin to pay"
    record = Record(options.out, "rules", options.device, title, ABOUT, ("table", "features"))
    for form, build, shapes in (("nearest", nearest_pair, NEAREST), ("depthwise", depthwise_pair, DEPTHWISE)):
        for dtype in options.dtypes if options.only in (None, form) else []:
            for shape in shapes:
                plain, exact = build(shape, DTYPES[dtype], options.device, layout)
                cells = time_pair(plain, exact, options.device, options.repeats, form)
                table = f"{form}, {dtype}, {'contiguous' if options.contiguous else 'channels_last'}"
                record.add({"table": table, "features": "x".join(map(str, shape))} | cells)


if __name__ == "__main__":
    main()
