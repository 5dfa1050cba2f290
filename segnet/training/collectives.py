"""What the processes of a training tell each other. Each function is called by all of them at the same point."""

import torch
from torch import Tensor


def distributed() -> bool:
    """Say whether this training has several processes that have found each other."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def world_size() -> int:
    """Count the processes of this training."""
    return torch.distributed.get_world_size() if distributed() else 1


def sum_values(values: Tensor, device: torch.device) -> Tensor:
    """Add up what each process counted; ``device`` is one that the processes exchange tensors of."""
    if not distributed():
        return values
    values = values.to(device, copy=True)
    torch.distributed.all_reduce(values)
    return values


def gather_values(values: Tensor) -> Tensor:
    """Return the tensors of all processes along a new first axis, in the order of ranks."""
    if not distributed():
        return values[None]
    parts = [torch.empty_like(values) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, values)
    return torch.stack(parts)
