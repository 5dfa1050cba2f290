"""How much the loss of each process, and of each accumulated batch, counts in a step of the optimiser.

Libraries take the plain mean: DDP of the gradients of all processes, Lightning of the accumulated batches. Where the
parts hold different numbers of pixels that count, that is not the gradient of the whole batch.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from segnet.training.collectives import sum_values, world_size


class LossShares:
    """Weighs the terms of a loss so that a step is that of one process with one batch, as far as the loss allows.

    Over processes each term is weighted by itself (see :mod:`segnet.losses.means`). Accumulated batches are weighted
    by their first term, since what the weights of the batches to come will be is not known when a gradient is added.
    """

    def __init__(self) -> None:
        self._reference: Tensor | None = None  # weight of the first batch of the step that has any
        self._total: Tensor | None = None  # weights of the step's batches so far, the reference being 1

    def share(self, values: Tensor, weights: Tensor, batches: int) -> tuple[Tensor, Tensor]:
        """Return the loss to take the gradient of, and the loss of the batch over all processes, which all call this.

        Args:
            values: ``(T,)`` terms of this process's part of the batch.
            weights: ``(T,)`` their weights.
            batches: over how many a step accumulates, by which Lightning divides the loss.

        Returns:
            Two scalars, the second without a gradient.
        """
        processes = world_size()
        if processes == batches == 1:
            loss = values.sum()
            return loss, loss.detach()
        sums = sum_values(torch.stack([values.detach() * weights, weights]), values.device)
        totals = sums[1].where(sums[1] > 0, 1)
        loss = (values * (weights * processes / totals)).sum()
        if batches > 1:
            loss = loss * (batches * self._relative(sums[1, 0]))
        return loss, (sums[0] / totals).sum()

    def _relative(self, weight: Tensor) -> Tensor:
        """Return a batch's weight relative to the step's first one, which keeps gradients of the usual size."""
        reference = weight if self._reference is None else self._reference.where(self._reference > 0, weight)
        relative = weight / reference.where(reference > 0, 1)
        self._reference, self._total = reference, relative if self._total is None else self._total + relative
        return relative

    def finish_step(self, gradients: Iterable[Tensor]) -> None:
        """Divide the gradients that a step has accumulated by the weight of its batches, before they are used."""
        total, self._reference, self._total = self._total, None, None
        if total is not None:
            torch._foreach_div_(list(gradients), total.where(total > 0, 1))
