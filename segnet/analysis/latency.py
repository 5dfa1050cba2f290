"""Measured time, in a way that lets two networks be compared."""

import platform
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypedDict, TypeVar

import torch

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Latency:
    """Time of one call, in milliseconds.

    Attributes:
        median: over the repeats.
        low: first quartile.
        high: third quartile.
        repeats: number of measured calls.
    """

    median: float
    low: float
    high: float
    repeats: int


class DeviceDescription(TypedDict):
    """What a time was measured on.

    Attributes:
        device: "cpu", "cuda" or another.
        device_name: of the GPU, or the CPU's kind and instruction set.
        threads: that torch uses on the CPU.
        torch: its version.
    """

    device: str
    device_name: str
    threads: int
    torch: str


def measure_latencies(
    workloads: Mapping[Key, Callable[[], object]], device: torch.device, repeats: int = 20, warmup: int = 3
) -> dict[Key, Latency]:
    """Time several workloads in turns, so that a machine that slows down meanwhile slows them all.

    Every turn runs each workload once, starting with another one each time. On a GPU the time is taken between two
    events of its stream.

    Args:
        workloads: what to call, by name (a string, or a tuple of them).
        device: where they run.
        repeats: turns that are measured.
        warmup: turns before that are not.
    """
    times: dict[Key, list[float]] = {name: [] for name in workloads}
    names = list(workloads)
    for turn in range(-warmup, repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            elapsed = _time_call(workloads[name], device)
            if turn >= 0:
                times[name].append(elapsed)
    return {name: _summarise(values) for name, values in times.items()}


def describe_device(device: torch.device) -> DeviceDescription:
    """Say what a time was measured on: device, its name, torch and its threads."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _time_call(workload: Callable[[], object], device: torch.device) -> float:
    if device.type != "cuda":
        started = time.perf_counter()
        workload()
        return 1000 * (time.perf_counter() - started)
    torch.cuda.synchronize(device)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    workload()
    end.record()
    torch.cuda.synchronize(device)
    return float(start.elapsed_time(end))


def _summarise(values: list[float]) -> Latency:
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return Latency(statistics.median(values), low, high, len(values))
