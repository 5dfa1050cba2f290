"""Finding a loss that is not finite, without waiting for the device in each step."""

from typing import NamedTuple

import torch
from torch import Tensor


class BadLoss(NamedTuple):
    """A loss that is not finite.

    Attributes:
        value: infinity or NaN.
        steps_ago: steps between it and the last one observed, 0 for the last one.
        samples: places in the training split of the batch's samples.
    """

    value: float
    steps_ago: int
    samples: list[int]


class LossWatch:
    """Keeps the losses of the last steps on their device, and looks at them from time to time.

    Reading a number back makes the CPU wait until a GPU has done all that was asked of it, and the GPU then waits for
    the CPU; a look every few steps leaves both at work. A CPU has nothing to wait for.

    Args:
        interval: steps between two looks on a device that works by itself, such as a GPU.
    """

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._losses: list[Tensor] = []
        self._samples: list[Tensor] = []

    def observe(self, loss: Tensor, samples: Tensor) -> BadLoss | None:
        """Remember a step, and look where it is time to.

        Args:
            loss: a scalar.
            samples: ``(N,)`` places of the batch's samples in the training split.

        Returns:
            The first loss since the last look that is not finite, if there is one.
        """
        self._losses.append(loss.detach())
        self._samples.append(samples)
        return self.look() if len(self._losses) >= self.interval or loss.device.type == "cpu" else None

    def look(self) -> BadLoss | None:
        """Look at all steps since the last look, and forget them."""
        losses, samples = self._losses, self._samples
        self._losses, self._samples = [], []
        if not losses:
            return None
        values = torch.stack(losses).cpu()
        bad = (~values.isfinite()).nonzero().flatten().tolist()
        if not bad:
            return None
        return BadLoss(values[bad[0]].item(), len(losses) - 1 - bad[0], samples[bad[0]].tolist())
