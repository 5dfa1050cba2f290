"""Measure max-pooling and max-unpooling against torch's own.

python -m scripts.benchmarks.pooling                  on the CPU (about a minute)
python -m scripts.benchmarks.pooling --device cuda    on a GPU
"""

from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.benchmarks.record import check_device, describe, parser, write_record
from segnet.analysis.latency import measure_latencies
from segnet.layers import max_pool, max_unpool

ABOUT = """\
Pooling, unpooling and the backward pass of both at 4x64x96x128, timed in turns. **Indices** are the pool indices and
**kept** is all that autograd keeps of the two for the backward pass, in bytes; the ratio says how many times as long
torch's operators take. Both results have the same bits, or the benchmark stops.
"""
SHAPE = (4, 64, 96, 128)
DTYPES = {name: getattr(torch, name) for name in ("float32", "bfloat16")}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def ours(features: Tensor) -> tuple[Tensor, Tensor]:
    """Pool and unpool; return the result and the pool indices."""
    pooled, indices = max_pool(features)
    return max_unpool(pooled, indices, tuple(features.shape[-2:])), indices


def torchs(features: Tensor) -> tuple[Tensor, Tensor]:
    """Do the same by torch's own operators."""
    pooled, indices = F.max_pool2d(features, 2, 2, ceil_mode=True, return_indices=True)
    return F.max_unpool2d(pooled, indices, 2, 2, output_size=features.shape[-2:]), indices


def kept_bytes(form: Callable[[Tensor], tuple[Tensor, Tensor]], features: Tensor) -> int:
    """Count the bytes that autograd keeps besides the input."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        results = form(features)  # held, so that no address is given twice
    kept.pop(features.untyped_storage().data_ptr(), None)
    del results
    return sum(kept.values())


def measure(device: torch.device, dtype: str, layout: str, repeats: int) -> dict[str, object]:
    """Return one row; the two results must have the same bits."""
    generator = torch.Generator().manual_seed(0)
    features, upstream = (
        torch.randn(SHAPE, generator=generator).to(device, DTYPES[dtype]).contiguous(memory_format=LAYOUTS[layout])
        for _ in range(2)
    )
    features.requires_grad_()
    forms = {"segnet": ours, "torch": torchs}

    def step(form: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        output, _ = form(features)
        return output, torch.autograd.grad(output, features, upstream)[0]

    for mine, other in zip(step(ours), step(torchs), strict=True):
        if not torch.equal(mine, other):
            raise AssertionError(f"{dtype}, {layout}: the two differ")
    times = measure_latencies({name: lambda form=form: step(form) for name, form in forms.items()}, device, repeats)
    row: dict[str, object] = {"precision": dtype, "layout": layout}
    row |= {f"{name}, ms": asdict(times[name]) for name in forms}
    row |= {"ratio": times["torch"].median / times["segnet"].median}
    row |= {f"{name}, indices": form(features)[1].untyped_storage().nbytes() for name, form in forms.items()}
    return row | {f"{name}, kept": kept_bytes(form, features) for name, form in forms.items()}


def main() -> None:
    """Measure and write the record."""
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--repeats", type=int, default=40, help="turns that are measured")
    arguments = arguments_parser.parse_args()
    check_device(arguments_parser, arguments.device)
    device = torch.device(arguments.device)
    rows = [measure(device, dtype, layout, arguments.repeats) for dtype in DTYPES for layout in LAYOUTS]
    title = "Max-pool and max-unpool with compact indices"
    print(write_record(arguments.out, "pooling", describe(arguments.device), title, ABOUT, rows))


if __name__ == "__main__":
    main()
