"""Measure max-pooling and max-unpooling against torch's own, and write docs/performance/pooling-DEVICE.json.

    python scripts/benchmarks/pooling.py                  on the CPU (about a minute)
    python scripts/benchmarks/pooling.py --device cuda    on a GPU

A row is one precision and memory layout: pooling, unpooling and the backward pass of both, at 4x64x96x128. The two
are timed in turns; times are medians in milliseconds with quartiles, and the ratio says how many times as long torch's
own takes. The other figures are bytes: of the pool indices, and of all that autograd keeps.
"""

import argparse
import datetime
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from segnet.analysis.latency import Latency, describe_device, measure_latencies
from segnet.layers import max_pool, max_unpool

SHAPE = (4, 64, 96, 128)
DTYPES = {name: getattr(torch, name) for name in ("float32", "bfloat16")}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
FOLDER = Path(__file__).parents[2] / "docs" / "performance"


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
    row: dict[str, object] = {"dtype": dtype, "layout": layout, "shape": list(SHAPE)}
    for name, form in forms.items():
        indices = form(features)[1]
        row |= {f"{name}_{key}": value for key, value in _milliseconds(times[name]).items()}
        row |= {f"{name}_index_bytes": indices.untyped_storage().nbytes()}
        row |= {f"{name}_kept_bytes": kept_bytes(form, features)}
    return row | {"ratio": round(times["torch"].median / times["segnet"].median, 2)}


def _milliseconds(latency: Latency) -> dict[str, float]:
    return {f"{name}_ms": round(getattr(latency, name), 3) for name in ("median", "low", "high")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="threads on the CPU")
    parser.add_argument("--repeats", type=int, default=40, help="turns that are measured")
    parser.add_argument("--output", type=Path, help="another file to write")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    rows = [measure(device, dtype, layout, options.repeats) for dtype in DTYPES for layout in LAYOUTS]
    report = {
        "title": "Max-pool and max-unpool, forward and backward",
        "device": describe_device(device),
        "date": datetime.date.today().isoformat(),
        "command": f"python scripts/benchmarks/pooling.py --device {options.device}",
        "rows": rows,
    }
    path = options.output or FOLDER / f"pooling-{options.device}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
