"""Measure what every upsampler does in each precision, memory layout and mode, and write docs/support_matrix.md.

    python scripts/support_matrix.py                    measure on the CPU (10 to 30 minutes: it compiles)
    python scripts/support_matrix.py --device cuda      measure on a GPU; the CPU's cells stay as they are
    python scripts/support_matrix.py --mode eager       measure these cells only (seconds)

The cells are kept in docs/support_matrix.json, from which the page is written.
"""

import argparse
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segnet.config import compose, config_dir, instantiate

DOCS = Path(__file__).parent.parent / "docs"
DEVICES = ("cpu", "cuda")
DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "bfloat16", "float16")}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MODES = ("eager", "compiled")
SIZE, CHANNELS, BATCH = (4, 5), 8, 2
# Twice the size, an odd size, and one that halving never gives. Each compiles again, so the first two only.
OUTPUT_SIZES = {"eager": [(8, 10), (7, 9), (6, 8)], "compiled": [(8, 10), (7, 9)]}

INTRODUCTION = """\
# Support matrix of the upsamplers

Written by `scripts/support_matrix.py`; do not edit. Every cell was measured by running the operator forward and
backward on normally distributed features ({batch}x{channels}x{height}x{width}), to twice the size, to an odd size and,
uncompiled, to a size between. The **reference** is the same operator, with the same inputs and parameters, run in
float64, uncompiled, contiguous, on the CPU; the tests in `tests/layers` prove that one against plain loops.

- **exact**: each value is the reference's, rounded to the precision of the cell.
- **n eps**: the largest difference from the reference, divided by the largest value of the reference, is at most n
  times the machine epsilon of the precision (n rounded up to a power of two).
- **refused**: torch cannot run it; the reason follows.

On a GPU torch lets convolutions of float32 run in TF32, which keeps 10 bits of the fraction
(`torch.backends.cudnn.allow_tf32`): that is where 1024 and 4096 eps come from; in float64 the same operators agree to
a few eps.

Where a cell has two entries they are the result / the gradients (of the features and of all parameters).
"""


class Cell(NamedTuple):
    """One operator in one precision, layout and mode on one device; forward and gradient are the two entries."""

    device: str
    upsampler: str
    dtype: str
    layout: str
    mode: str
    forward: str
    gradient: str


def upsampler_names() -> list[str]:
    return sorted(path.stem for path in (config_dir() / "upsampler").glob("*.yaml"))


def factory_of(name: str) -> Callable[[int], nn.Module]:
    return instantiate(compose([f"upsampler={name}"]).upsampler)


def measure(name: str, factory: Callable[[int], nn.Module], device: str, dtype: str, layout: str, mode: str) -> Cell:
    """Run one cell against the reference."""
    forward, gradient, eps = 0.0, 0.0, torch.finfo(DTYPES[dtype]).eps
    for output_size in OUTPUT_SIZES[mode]:
        # The reference works on what the cell gets: values that were rounded to its precision.
        upsampler, features, upstream = draw_inputs(factory, DTYPES[dtype], output_size)
        expected = run(factory(CHANNELS).double(), upsampler, features.double(), upstream.double(), output_size)
        upsampler, memory_format = upsampler.to(device), LAYOUTS[layout]
        features = features.to(device).contiguous(memory_format=memory_format)
        upstream = upstream.to(device).contiguous(memory_format=memory_format)
        twin = factory(CHANNELS).to(device, DTYPES[dtype]).to(memory_format=memory_format)
        try:
            actual = run(twin, upsampler, features, upstream, output_size, compiled=mode == "compiled")
        except Exception as error:
            reason = refusal(error, device, mode)
            return Cell(device, name, dtype, layout, mode, reason, reason)
        errors = [error_in_eps(value, reference, eps) for value, reference in zip(actual, expected, strict=True)]
        forward, gradient = max(forward, errors[0]), max(gradient, *errors[1:])
    return Cell(device, name, dtype, layout, mode, entry(forward), entry(gradient))


def draw_inputs(
    factory: Callable[[int], nn.Module], dtype: torch.dtype, output_size: tuple[int, int]
) -> tuple[nn.Module, Tensor, Tensor]:
    """Return an upsampler, features and an upstream gradient, all of ``dtype``, the same at each call."""
    generator = torch.Generator().manual_seed(0)
    upsampler = factory(CHANNELS).double()
    for parameter in upsampler.parameters():
        nn.init.normal_(parameter, std=0.1, generator=generator)
    features = torch.randn((BATCH, CHANNELS, *SIZE), generator=generator, dtype=torch.float64)
    upstream = torch.randn((BATCH, CHANNELS, *output_size), generator=generator, dtype=torch.float64)
    return upsampler.to(dtype), features.to(dtype), upstream.to(dtype)


def run(
    upsampler: nn.Module,
    source: nn.Module,
    features: Tensor,
    upstream: Tensor,
    output_size: tuple[int, int],
    compiled: bool = False,
) -> list[Tensor]:
    """Return the result, the features' gradient and the parameters' gradients, with the parameters of ``source``."""
    upsampler.load_state_dict(source.state_dict())
    features = features.clone().requires_grad_()
    indices = torch.zeros_like(features, dtype=torch.uint8) if upsampler.needs_pool_indices else None
    if compiled:
        torch.compiler.reset()  # or it gives up after a few cells, and silently runs them uncompiled
    function = torch.compile(upsampler, fullgraph=True, dynamic=False) if compiled else upsampler
    output = function(features, output_size, indices)
    output.backward(upstream)
    return [output.detach(), features.grad, *(parameter.grad for parameter in upsampler.parameters())]


def error_in_eps(value: Tensor, reference: Tensor, eps: float) -> float:
    """Return 0 for the reference's bits rounded, else the largest difference in units of ``eps``; NaN counts as inf."""
    value = value.cpu()
    if torch.equal(value, reference.to(value.dtype)):
        return 0.0
    error = ((value.double() - reference).abs().max() / reference.abs().max() / eps).item()
    return math.inf if math.isnan(error) else error


def entry(error: float) -> str:
    """Name an error in units of eps, rounded up to a power of two."""
    if error == 0:
        return "exact"
    if math.isinf(error):
        return "not finite"
    return f"{2.0 ** max(-1, math.ceil(math.log2(error))):g} eps"


def refusal(error: Exception, device: str, mode: str) -> str:
    """Say why in a few words."""
    if device == "cpu" and mode == "compiled" and not (shutil.which("g++") or shutil.which("clang++")):
        return "refused: no C++ compiler on this machine"
    first = str(error).strip().splitlines() or [type(error).__name__]
    return f"refused: {first[0][:80].replace('|', '/')}"


def render(cells: list[Cell], measured_with: dict[str, str]) -> str:
    """Write the page; cells that nobody measured say so."""
    found = {tuple(cell[:5]): cell for cell in cells}
    height, width = SIZE
    parts = [INTRODUCTION.format(batch=BATCH, channels=CHANNELS, height=height, width=width)]
    columns = [(mode, layout) for mode in MODES for layout in LAYOUTS]
    for device in DEVICES:
        title = {"cpu": "CPU", "cuda": "GPU (CUDA)"}[device]
        parts.append(f"## {title}\n\nMeasured with: {measured_with.get(device, 'not measured yet')}.\n")
        heads = [f"{mode}, {layout}" for mode, layout in columns]
        parts.append(f"| upsampler | precision | {' | '.join(heads)} |\n|{' --- |' * (2 + len(heads))}")
        for name in upsampler_names():
            for dtype in DTYPES:
                row = [show(found.get((device, name, dtype, layout, mode))) for mode, layout in columns]
                parts.append(f"| {name} | {dtype} | {' | '.join(row)} |")
        parts.append("")
    return "\n".join(parts)


def show(cell: Cell | None) -> str:
    if cell is None:
        return "not measured yet"
    return cell.forward if cell.forward == cell.gradient else f"{cell.forward} / {cell.gradient}"


def read_cells() -> tuple[list[Cell], dict[str, str]]:
    """Read what is stored, without the operators that are gone."""
    path = DOCS / "support_matrix.json"
    if not path.is_file():
        return [], {}
    stored = json.loads(path.read_text())
    cells = [Cell(*values) for values in stored["cells"]]
    return [cell for cell in cells if cell.upsampler in upsampler_names()], stored["measured_with"]


def write_cells(cells: list[Cell], measured_with: dict[str, str]) -> None:
    lines = ",\n".join(f"  {json.dumps(cell)}" for cell in sorted(cells))
    text = f'{{"measured_with": {json.dumps(measured_with)},\n "cells": [\n{lines}\n]}}\n'
    (DOCS / "support_matrix.json").write_text(text)
    (DOCS / "support_matrix.md").write_text(render(cells, measured_with))


def platform(device: str) -> str:
    version = torch.__version__.split("+")[0]
    name = torch.cuda.get_device_name() if device == "cuda" else torch.backends.cpu.get_cpu_capability()
    return f"torch {version}, {name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--mode", choices=MODES, help="measure this mode only")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("this machine has no CUDA device: leave --device out, or run it on one that has")
    cells, measured_with = read_cells()
    kept = {tuple(cell[:5]): cell for cell in cells}
    for name in upsampler_names():
        factory = factory_of(name)
        for mode in (arguments.mode,) if arguments.mode else MODES:
            for dtype in DTYPES:
                for layout in LAYOUTS:
                    cell = measure(name, factory, arguments.device, dtype, layout, mode)
                    kept[tuple(cell[:5])] = cell
                    print(*cell[:5], show(cell), flush=True)
    measured_with[arguments.device] = platform(arguments.device)
    write_cells(list(kept.values()), measured_with)


if __name__ == "__main__":
    main()
