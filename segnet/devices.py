"""Which device to compute on, which number format it is fast in, and how many cores there are."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from segnet.compat import cpu_has_bfloat16
from segnet.errors import UserError

Precision: TypeAlias = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true", "bf16-true", "16-true"]
"""What ``trainer.precision`` may be."""


def choose_device(setting: str) -> torch.device:
    """Resolve ``device=auto`` to a GPU where there is one.

    Args:
        setting: "auto", or a device as torch names it, such as "cpu", "cuda" or "cuda:1".

    Raises:
        UserError: the named device is unknown or not there.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if setting == "auto":
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(setting)
    except RuntimeError:
        raise UserError(f"device={setting} is not known: choose auto, cpu or cuda") from None
    if device.type != "cpu" and (accelerator is None or accelerator.type != device.type):
        raise UserError(f"device={setting} is not available on this machine: set device=cpu, or leave device out")
    return device


def device_type(accelerator: str) -> str:
    """Say what Lightning's accelerator setting ("auto", "gpu", "cpu", ...) comes to here: "cpu", "cuda" or "mps"."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    return choose_device("auto").type


def choose_precision(setting: str, device: str) -> str:
    """Resolve ``precision=auto``.

    Args:
        setting: a precision that Lightning knows, or "auto".
        device: "cpu", "cuda", "mps" or another.

    Returns:
        "bf16-mixed" on a GPU of compute capability 8 or more and on a CPU with bfloat16 instructions (AMX or
        AVX512-BF16), "16-mixed" on an older GPU, "32-true" elsewhere.
    """
    if setting != "auto":
        return setting
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
    if device == "cpu" and cpu_has_bfloat16():
        return "bf16-mixed"
    return "32-true"


def available_cores() -> int:
    """Count the CPU cores that this process may use; without affinity (macOS, Windows) all of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_per_run(workers: int = 1, environment: Mapping[str, str] = os.environ) -> int:
    """Return how many CPU threads each of several trainings on this machine gets.

    Args:
        workers: how many train at a time.
        environment: a number in ``OMP_NUM_THREADS`` is what each gets; otherwise they share the cores evenly.
    """
    wanted = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(wanted) if wanted.isdigit() and int(wanted) > 0 else max(1, available_cores() // workers)


def processor_name() -> str:
    """Return the name that this machine's processor gives itself, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or "unknown processor"
