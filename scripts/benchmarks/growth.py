"""Measure how a training step's time and memory grow with image side, batch, depth and classes, and fit exponents.

python -m scripts.benchmarks.growth                       on the CPU, about 9 minutes on 2 cores
python -m scripts.benchmarks.growth --device cuda         on a GPU
python -m scripts.benchmarks.growth --sides 128 256 512   other sizes
python -m scripts.benchmarks.growth --only side           one kind of growth; the others stay
"""

import gc
import math
import multiprocessing
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import torch

import segnet
from scripts.benchmarks.record import check_device, parser
from scripts.benchmarks.results import Record
from scripts.benchmarks.turns import forget_peak, peak_resident_mib, resident_mib
from segnet.devices import choose_precision
from segnet.losses import CrossEntropy

TITLE = "How cost grows"
ABOUT = """\
One training step (forward, loss, backward, optimiser) of the network of `experiment=camvid_ablation` (its decoder
enlarges bilinearly) and of U-Net with ResNet-18 at segnet's defaults, in {precision}, channels last. One size changes
at a time; the others stay at side {side}, batch {batch}, {classes} classes. The **exponent** is the slope of the
straight line through the logarithms of cost and size (least squares): 1 is growth in proportion. Against the side it
is fitted to the number of pixels. A network whose time or memory grows with the pixels by an exponent above {limit} is
a **defect**. A small exponent at small sizes is work that does not depend on the size, such as the optimiser's. Depth
is the number of stages of a plain encoder of 32 channels, with two convolutions each, and its decoder: each further
stage has a quarter of the pixels, so the cost should approach a bound. Time is the median of {repeats} steps after one
that is not counted. Memory is {memory}.
"""

DEFECT = 1.1
SIDES = (128, 256, 512, 1024, 2048)
BATCHES = {"cpu": (1, 2, 4, 8), "cuda": (1, 2, 4, 8, 16, 32)}
DEPTHS, CLASSES = (2, 3, 4, 5), (2, 11, 50, 150)
BASE = {"cpu": {"side": 128, "batch": 2, "classes": 11}, "cuda": {"side": 256, "batch": 8, "classes": 11}}
NETWORKS = {
    "camvid_ablation": ["experiment=camvid_ablation"],
    "U-Net, ResNet-18": ["data=camvid", "model=unet_resnet18"],
}
DEPTH_WIDTH = 32


class Cost(NamedTuple):
    """Median seconds of a step and its peak memory in MiB."""

    seconds: float
    memory_mib: float


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the slope of the least-squares line through ``(log size, log cost)``.

    Raises:
        ValueError: there are fewer than two sizes, or one is not positive.
    """
    logs = [(math.log(size), math.log(cost)) for size, cost in zip(sizes, costs, strict=True)]
    return statistics.linear_regression(*zip(*logs, strict=True)).slope


def verdict(slope: float) -> str:
    """Say whether a cost grows faster than what it is measured against."""
    return "defect" if slope > DEFECT else "in proportion or less"


def network_overrides(name: str, classes: int) -> list[str]:
    """Return what builds a network; CamVid's classes are replaced by as many as are wanted."""
    return [*NETWORKS[name], f"model.num_classes={classes}"]


def depth_overrides(depth: int, classes: int) -> list[str]:
    """Return what builds the plain encoder-decoder of ``depth`` stages."""
    widths, depths = [DEPTH_WIDTH] * depth, [2] * depth
    return ["data=camvid", f"encoder.widths={widths}", f"encoder.depths={depths}", f"model.num_classes={classes}"]


def measure_step(overrides: Sequence[str], side: int, batch: int, classes: int, device: str, repeats: int) -> Cost:
    """Train on random images, and return the cost of a step."""
    gc.collect()
    before = start_memory(device)
    network = segnet.build_network(overrides).to(device, memory_format=torch.channels_last)
    loss = CrossEntropy(ignore_index=255)
    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.rand(batch, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, classes, (batch, side, side), device=device, dtype=torch.uint8)
    bf16 = choose_precision("auto", device) == "bf16-mixed"
    seconds = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            value = loss(network(images), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return Cost(statistics.median(seconds[1:]), peak_memory(device) - before)


def measure_alone(overrides: Sequence[str], **setting: Any) -> Cost:
    """Call :func:`measure_step`, on a CPU in a process of its own: a process keeps memory that larger sizes needed."""
    if setting["device"] != "cpu":
        return measure_step(overrides, **setting)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure_step, overrides, **setting).result()


def start_memory(device: str) -> float:
    """Forget the peak so far, and return the memory in use, in MiB."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    forget_peak()
    return resident_mib()


def peak_memory(device: str) -> float:
    """Return the peak since then, in MiB."""
    return torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else peak_resident_mib()


def measure_growth(
    name: str, what: str, values: Sequence[int], base: Mapping[str, int], device: str, repeats: int
) -> list[dict[str, Any]]:
    """Change one size, and return a row for each of its values and one with the exponents.

    Args:
        name: of the network; see ``NETWORKS``.
        what: "side", "batch", "classes" or "depth".
        values: of that size.
        base: the other sizes.
        device: "cpu" or "cuda".
        repeats: steps that are measured.
    """
    rows, costs = [], []
    for value in values:
        sizes = {**base, what: value}
        depth = sizes.pop("depth", None)
        overrides = (
            network_overrides(name, sizes["classes"]) if depth is None else depth_overrides(depth, sizes["classes"])
        )
        try:
            cost = measure_alone(overrides, **sizes, device=device, repeats=repeats)
        except torch.OutOfMemoryError:
            rows.append({"table": f"{name}: {what}", what: value, "step, ms": "out of memory"})
            break
        costs.append(cost)
        row = {"table": f"{name}: {what}", what: value, "step, ms": 1000 * cost.seconds, "memory, MiB": cost.memory_mib}
        rows.append(row)
    if what == "depth":
        return rows
    return [*rows, fitted_row(f"{name}: {what}", what, values[: len(costs)], costs)]


def fitted_row(table: str, what: str, values: Sequence[int], costs: Sequence[Cost]) -> dict[str, Any]:
    """Return the row with the exponents; those of the side are against its square, the pixels."""
    sizes = [value**2 if what == "side" else value for value in values]
    slopes = {
        "step, ms": exponent(sizes, [cost.seconds for cost in costs]),
        "memory, MiB": exponent(sizes, [cost.memory_mib for cost in costs]),
    }
    against = {"side": "pixels", "batch": "images"}.get(what, what)
    return {"table": table, what: f"exponent against {against}"} | {
        column: f"{slope:.2f}: {verdict(slope)}" for column, slope in slopes.items()
    }


def main() -> None:
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--sides", type=int, nargs="+")
    arguments_parser.add_argument("--batches", type=int, nargs="+")
    arguments_parser.add_argument("--depths", type=int, nargs="+", default=DEPTHS)
    arguments_parser.add_argument("--classes", type=int, nargs="+", default=CLASSES)
    arguments_parser.add_argument("--only", choices=("side", "batch", "classes", "depth"))
    arguments_parser.add_argument("--repeats", type=int, default=3, help="measured steps of each size")
    arguments = arguments_parser.parse_args()
    check_device(arguments_parser, arguments.device)
    device, repeats = arguments.device, arguments.repeats
    values = {
        "side": arguments.sides or SIDES,
        "batch": arguments.batches or BATCHES[device],
        "classes": arguments.classes,
    }
    base = BASE[device]
    memory = "the peak that torch allocated" if device == "cuda" else "the peak of the process above its state before"
    about = ABOUT.format(
        precision=choose_precision("auto", device), limit=DEFECT, repeats=repeats, memory=memory, **base
    )
    keys = ("table", *values, "depth")
    record = Record(arguments.out, "growth", device, TITLE, about, keys)
    wanted = dict.fromkeys(NETWORKS, values) | {"plain encoder-decoder": {"depth": arguments.depths}}
    for name, kinds in wanted.items():
        if device == "cuda" and name in NETWORKS:  # warms it up
            measure_step(network_overrides(name, base["classes"]), **base, device=device, repeats=1)
        for what, sizes in kinds.items():
            if arguments.only in (None, what):
                for row in measure_growth(name, what, sizes, base, device, repeats):
                    record.add(row)


if __name__ == "__main__":
    main()
