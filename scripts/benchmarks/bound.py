"""Where the time of a training step goes, before and after the exact rewrites, and how near it is to the hardware.

    python -m scripts.benchmarks.bound --device cpu

The networks are those of against_smp.py (needs the extra: pip install -e '.[benchmark]').
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from scripts.benchmarks.architectures import ARCHITECTURES, build_ours
from scripts.benchmarks.record import check_device, describe, parser, write_record
from segnet.analysis import count_macs
from segnet.analysis.latency import measure_latencies
from segnet.analysis.profile import precision_context
from segnet.devices import choose_precision
from segnet.losses.cross_entropy import cross_entropy

TITLE = "Where a step's time goes"
ABOUT = """\
One training step (forward, cross-entropy, backward, fused AdamW) on a batch in memory, channels-last, under torch's
profiler: milliseconds of each group of operators, in the plain form and with the exact rewrites. *Rate* is what the
convolutions reach: executed multiply-accumulates, twice more for the backward pass, two operations each, over the time
of the convolutions. The last table has the largest rate that a product of two 2048x2048 matrices reached on the same
device: the convolutions cannot be faster than that, so what is left to gain is the distance to it and the rows that are
no convolution. Precision bf16-mixed stands beside 32-true where the device is fast in it."""
# The first group whose text occurs in the operator's name has it.
GROUPS = (
    ("convolution, backward", ("convolution_backward", "dgrad", "wgrad")),
    ("convolution, forward", ("convolution", "conv2d", "conv_transpose2d", "addmm", "aten::mm", "aten::bmm")),
    ("batch norm", ("batch_norm",)),
    ("activation", ("relu", "clamp_min", "threshold", "hardswish", "hardtanh")),
    ("upsampling and pooling", ("upsample", "pool", "gather", "scatter")),
    ("loss", ("log_softmax", "nll_loss")),
    ("optimiser", ("adam", "Optimizer")),
    ("copies and concatenation", ("copy_", "cat", "clone", "contiguous", "fill_", "zero_")),
    ("sums and the rest", ("",)),
)


def group_of(operator: str) -> str:
    """Return the group of an operator of the profiler."""
    return next(group for group, texts in GROUPS if any(text in operator for text in texts))


def step_of(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, precision: str) -> Callable[[], None]:
    """Return a training step."""
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with precision_context(precision, images.device.type):
            loss = cross_entropy(network(images), labels, ignore_index=255)
        loss.backward()
        optimizer.step()

    return step


def profile_steps(step: Callable[[], None], device: str, repeats: int) -> dict[str, float]:
    """Return milliseconds a step of each group."""
    for _ in range(2):
        step()
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with profile(activities=activities) as profiler:
        for _ in range(repeats):
            step()
    totals: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        time = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        totals[group_of(event.key)] += time / 1000 / repeats
    return totals


def rows_of(name: str, device: str, size: Sequence[int], precision: str, repeats: int) -> list[dict[str, Any]]:
    """Profile one network in both forms."""
    batch, height, width = size
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 3, height, width, generator=generator).to(device, memory_format=torch.channels_last)
    labels = torch.randint(0, 11, (batch, height, width), generator=generator).to(device)
    totals, rates = {}, {}
    for form, overrides in (("plain", ["model.exact_rewrites=false"]), ("exact", [])):
        network = build_ours(ARCHITECTURES[name], overrides).to(device, memory_format=torch.channels_last).train()
        operations = 6 * batch * count_macs(network, (3, height, width))
        totals[form] = profile_steps(step_of(network, images, labels, precision), device, repeats)
        seconds = sum(totals[form][group] for group, _ in GROUPS[:2]) / 1000
        rates[form] = operations / seconds / 1e9
    table = {"table": f"{ARCHITECTURES[name].name}, {batch} x {height}x{width}, {precision}"}
    whole = {form: sum(groups.values()) for form, groups in totals.items()}
    rows = [
        table
        | {
            "operators": group,
            "plain, ms": totals["plain"][group],
            "exact, ms": totals["exact"][group],
            "share of exact, %": 100 * totals["exact"][group] / whole["exact"],
        }
        for group, _ in GROUPS
    ]
    rows.append(table | {"operators": "whole step", "plain, ms": whole["plain"], "exact, ms": whole["exact"]})
    rates_row = {"operators": "rate, GFLOP/s", "plain, ms": rates["plain"], "exact, ms": rates["exact"]}
    return [*rows, table | rates_row]


def product_rate(device: str, precision: str, side: int = 2048) -> float:
    """Return the largest rate of a product of two square matrices, GFLOP/s."""
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    left, right = torch.rand(2, side, side, device=device).to(dtype)
    latency = measure_latencies({"product": lambda: left @ right}, torch.device(device), repeats=15)["product"]
    return 2 * side**3 / (latency.low / 1000) / 1e9


def main() -> None:
    """Measure and write the record."""
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--size", type=int, nargs=3, help="images, height and width of the batch")
    arguments_parser.add_argument("--repeats", type=int, default=5)
    arguments = arguments_parser.parse_args()
    check_device(arguments_parser, arguments.device)
    size = arguments.size or ([32, 320, 320] if arguments.device == "cuda" else [4, 192, 192])
    rows = []
    precisions = dict.fromkeys(["32-true", choose_precision("auto", arguments.device)])
    for name in ARCHITECTURES:
        for precision in precisions:
            rows += rows_of(name, arguments.device, size, precision, arguments.repeats)
            print(name, precision, "profiled", flush=True)
    for precision in precisions:
        rate = product_rate(arguments.device, precision)
        rows.append({"table": "The device", "precision": precision, "matrix product, GFLOP/s": rate})
    device = describe(arguments.device, ["segmentation-models-pytorch"])
    print(write_record(arguments.out, "bound", device, TITLE, ABOUT, rows))


if __name__ == "__main__":
    main()
