"""The mean of a value over an epoch and over all processes, which a resumed epoch continues."""

import torch
from torch import Tensor

from segnet.training.collectives import gather_values


class EpochMean:
    """Adds up a value and its weight on the value's device.

    The sums of each process are kept by themselves, so that a training resumed with as many processes comes to
    the same bits; with another number it differs by rounding.
    """

    def __init__(self) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64)

    def reset(self) -> None:
        """Forget all values."""
        self._sums = torch.zeros_like(self._sums)

    def add(self, value: Tensor, weight: Tensor | float) -> None:
        """Add a scalar of a weight from 0 up."""
        if value.device != self._sums.device:
            has_float64 = value.device.type != "mps"  # Apple's GPUs have none
            self._sums = self._sums.to(value.device, torch.float64 if has_float64 else torch.float32)
        value = value.detach().to(self._sums.dtype)
        weight = torch.as_tensor(weight, dtype=self._sums.dtype, device=value.device)
        self._sums = self._sums + torch.stack([value * weight, weight])

    def compute(self) -> float:
        """Return the mean over all processes, which must all call this; 0 where nothing had weight."""
        total, weight = gather_values(self._sums).sum(0).tolist()
        return total / weight if weight else 0.0

    def state(self) -> Tensor:
        """Return the sums of all processes, which must all call this, ``(processes, 2)``."""
        return gather_values(self._sums).cpu()

    def load(self, state: Tensor, rank: int, world_size: int) -> None:
        """Take over what :meth:`state` returned, in one process of perhaps another number of them."""
        if len(state) == world_size:
            self._sums = state[rank]
        else:
            self._sums = state.sum(0) if rank == 0 else torch.zeros(2, dtype=torch.float64)
