"""Time upsampler and convolution, and atrous depthwise blocks, in the plain form and in the form that networks run.

    python -m scripts.benchmarks.operators                                  all cells on the CPU (about 10 minutes)
    python -m scripts.benchmarks.operators --device cuda                    on a GPU
    python -m scripts.benchmarks.operators --dtypes bf16 --only nearest     these cells only; the others stay

Forward and backward, 64 channels to 64. The features that go into an upsampler measure 4x64x96x128, so that the
convolution behind it works on 192x256; the atrous depthwise convolution works on 4x64x96x128. bf16 is autocast. Each
pair is timed in turns. Writes docs/performance/operators-DEVICE.json, row by row.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from scripts.benchmarks.record import check_device, parser
from scripts.benchmarks.results import Record, time_pair
from segnet import layers
from segnet.layers.rewrites.rules import Rules
from segnet.layers.rewrites.upsampling import fuse

ABOUT = """\
Forward and backward, 64 channels to 64. The features that go into an upsampler measure 4x64x96x128, so that the
convolution behind it works on 192x256; the atrous depthwise convolution works on 4x64x96x128. bf16 is autocast; a
processor without bf16 units emulates it. "As it is": nothing is rewritten, by the rules of
`segnet/layers/rewrites/rules.py` or because there is no exact form.
"""
BATCH, CHANNELS, SIZE = 4, 64, (96, 128)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
UPSAMPLERS = {
    "nearest": layers.Nearest,
    "bilinear": layers.Bilinear,
    "bicubic": layers.Bicubic,
    "bed_of_nails": layers.BedOfNails,
    "max_unpool": layers.MaxUnpool,
    "transposed_conv": layers.TransposedConvolution,
    "pixel_shuffle": layers.PixelShuffle,
    "carafe": layers.Carafe,
    "dysample": layers.DySample,
}
CONVOLUTIONS: dict[str, Callable[[int], nn.Module]] = {
    "3x3": lambda channels: layers.RegularConvolution(channels, CHANNELS),
    "3x3 dilation 2": lambda channels: layers.RegularConvolution(channels, CHANNELS, dilation=2),
    "separable 3x3": lambda channels: layers.SeparableConvolution(channels, CHANNELS),
    "1x1 to 11": lambda channels: layers.RegularConvolution(channels, 11, kernel_size=1),
}
MORE = {  # beside a 3x3 behind each upsampler
    "nearest": ["3x3 dilation 2", "separable 3x3", "1x1 to 11", "skip + 3x3"],
    "bed_of_nails": ["3x3 dilation 2", "separable 3x3", "skip + 3x3"],
    "bilinear": ["1x1 to 11", "skip + 3x3"],
}
DILATIONS = (2, 3, 4, 6, 12, 18)
FORMS: deque[str] = deque(maxlen=100)
"""The exact forms that ran last."""

Workload = Callable[[], None]
Pair = tuple[Workload, Workload]


def upsample_and_convolve(upsampler: str, convolution: str, make: Callable[..., Tensor], device: str) -> Pair:
    """Return plain and exact: the upsampler, then the convolution, behind a concatenated skip if its name says so."""
    has_skip, kind = convolution.startswith("skip + "), convolution.removeprefix("skip + ")
    enlarge = UPSAMPLERS[upsampler](CHANNELS).to(device)
    convolve = CONVOLUTIONS[kind](2 * CHANNELS if has_skip else CHANNELS).to(device)
    features, output_size = make(CHANNELS, *SIZE), (2 * SIZE[0], 2 * SIZE[1])
    indices = layers.MaxPool(CHANNELS)(make(CHANNELS, *output_size))[1] if enlarge.needs_pool_indices else None
    skip = make(CHANNELS, *output_size) if has_skip else None

    fused = fuse(enlarge, convolve, Rules(listener=FORMS.append), is_stacked=has_skip)

    def plain() -> Tensor:
        enlarged = enlarge(features, output_size, indices)
        return convolve(enlarged if skip is None else torch.cat([enlarged, skip], dim=1))

    def exact() -> Tensor:
        return plain() if fused is None else fused(features, output_size, skip, indices)

    inputs = [tensor for tensor in (features, skip) if tensor is not None]
    parameters = [*enlarge.parameters(), *convolve.parameters()]
    return step(plain, inputs, parameters), step(exact, inputs, parameters)


def atrous_depthwise(dilation: int, make: Callable[..., Tensor], device: str) -> Pair:
    """Return torch's own, and the one with gradients of its own."""
    module = layers.DepthwiseConvolution(CHANNELS, dilation=dilation).to(device)
    module.rewrite(Rules(listener=FORMS.append))
    features, parameters = make(CHANNELS, *SIZE), list(module.parameters())
    return (
        step(lambda: nn.Conv2d.forward(module, features), [features], parameters),
        step(lambda: module(features), [features], parameters),
    )


def step(work: Callable[[], Tensor], inputs: list[Tensor], parameters: list[Tensor]) -> Workload:
    """Return forward and backward; what features come in carry their own precision, the parameters are float32."""
    dtype = inputs[0].dtype
    arriving: list[Tensor] = []  # the gradient that the layers behind would send: made once, and not timed

    def run() -> None:
        with torch.autocast(inputs[0].device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            output = work()
        if not arriving:
            arriving.append(torch.ones_like(output))
        torch.autograd.grad(output, [*inputs, *parameters], arriving[0])

    return run


def form_of(workload: Workload) -> str:
    """Run once and say which exact forms ran."""
    FORMS.clear()
    workload()
    return "; ".join(dict.fromkeys(FORMS))


def cases() -> dict[str, Callable[..., Pair]]:
    """List everything that can be timed, by name."""
    listed: dict[str, Callable[..., Pair]] = {}
    for upsampler in UPSAMPLERS:
        for convolution in ["3x3", *MORE.get(upsampler, [])]:
            listed[f"{upsampler} + {convolution}"] = partial(upsample_and_convolve, upsampler, convolution)
    for dilation in DILATIONS:
        listed[f"atrous depthwise 3x3, dilation {dilation}"] = partial(atrous_depthwise, dilation)
    return listed


def main() -> None:
    """Time the chosen cells and write them beside the others."""
    arguments = parser(__doc__)
    arguments.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    arguments.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(reversed(LAYOUTS)))
    arguments.add_argument("--only", default="", help="a part of the names to time")
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    check_device(arguments, options.device)
    title = "Operators: plain form against exact form"
    record = Record(options.out, "operators", options.device, title, ABOUT, ("table", "operator"))
    for dtype in options.dtypes:
        for layout in options.layouts:
            make = partial(draw, device=options.device, dtype=DTYPES[dtype], layout=LAYOUTS[layout])
            for name, build in cases().items():
                if options.only in name:
                    plain, exact = build(make=make, device=options.device)
                    cells = time_pair(plain, exact, options.device, options.repeats, form_of(exact))
                    record.add({"table": f"{dtype}, {layout}", "operator": name} | cells)


def draw(
    channels: int, height: int, width: int, device: str, dtype: torch.dtype, layout: torch.memory_format
) -> Tensor:
    """Draw features."""
    features = torch.randn(BATCH, channels, height, width, device=device, dtype=dtype)
    return features.contiguous(memory_format=layout).requires_grad_()


if __name__ == "__main__":
    main()
