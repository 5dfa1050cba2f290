"""The mean of a loss over an epoch or a split and over all processes, which a resumed epoch continues."""

import torch
from torch import Tensor

from segnet.training.collectives import gather_values


class EpochMean:
    """Adds up the terms of a loss and their weights on the values' device; the mean is that of each term, added up.

    The sums of each process are kept by themselves, so that a training resumed with as many processes comes to
    the same bits; with another number it differs by rounding.
    """

    def __init__(self) -> None:
        self._sums = torch.zeros(2, 1, dtype=torch.float64)

    def reset(self) -> None:
        """Forget all values."""
        self._sums = torch.zeros_like(self._sums)

    def add(self, values: Tensor, weights: Tensor) -> None:
        """Add ``(T,)`` terms and their weights from 0 up."""
        if values.device != self._sums.device:
            has_float64 = values.device.type != "mps"  # Apple's GPUs have none
            self._sums = self._sums.to(values.device, torch.float64 if has_float64 else torch.float32)
        values, weights = values.detach().to(self._sums.dtype), weights.to(self._sums.dtype)
        self._sums = self._sums + torch.stack([values * weights, weights])

    def compute(self) -> float:
        """Return the mean over all processes, which must all call this; a term that has no weight counts as 0."""
        totals, weights = gather_values(self._sums).sum(0)
        return float((totals / weights.where(weights > 0, 1)).sum().item())

    def state(self) -> Tensor:
        """Return the sums of all processes, which must all call this, ``(processes, 2, T)``."""
        return gather_values(self._sums).cpu()

    def load(self, state: Tensor, rank: int, world_size: int) -> None:
        """Take over what :meth:`state` returned, in one process of perhaps another number of them."""
        if len(state) == world_size:
            self._sums = state[rank]
        else:
            self._sums = state.sum(0) if rank == 0 else torch.zeros_like(state[0])
