"""Sharing a machine's GPUs among workers: a process trains on one."""

import functools
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout


@dataclass(frozen=True)
class GpuLease:
    """A GPU that a process holds until it ends, or releases the lock.

    Attributes:
        device: as in ``CUDA_VISIBLE_DEVICES``.
        lock: held by the process.
    """

    device: str
    lock: FileLock


def lease_gpu(root: Path, workers: int) -> GpuLease | None:
    """Lease one of the GPUs that this process may use.

    With more workers than GPUs they share them evenly. A worker that dies gives its GPU back.

    Args:
        root: where the locks are kept, the same folder for all workers.
        workers: how many there are.

    Returns:
        The lease; None where there is no GPU.
    """
    devices = visible_gpus()
    if not devices:
        return None
    folder = root / f".places-{socket.gethostname()}"
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(4 * workers):  # dying workers may hold theirs for a moment
        lock = FileLock(folder / str(place), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        return GpuLease(devices[place % len(devices)], lock)
    return None


@functools.cache
def take_gpu(root: Path, workers: int) -> GpuLease | None:
    """Lease a GPU for the rest of this process's life, and hide the others from it; takes what :func:`lease_gpu` takes.

    A second call returns the same lease.
    """
    lease = lease_gpu(root, workers)
    if lease is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = lease.device
    return lease


def visible_gpus() -> list[str]:
    """Name the GPUs that this process may use, without initialising one."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]
