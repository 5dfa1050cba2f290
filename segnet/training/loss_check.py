"""Finds a loss that is not finite, without waiting for the device in each step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor


class NonFiniteLoss(NamedTuple):
    """A loss that is not finite.

    Attributes:
        value: infinity or NaN.
        steps_ago: steps taken since; 0 for the last step recorded.
        samples: indices of the batch's samples in the training split.
    """

    value: float
    steps_ago: int
    samples: list[int]


class LossCheck:
    """Keeps the losses of the last steps on their device, and checks them from time to time.

    Reading a number back makes the CPU wait until a GPU has done all that was asked of it, and the GPU then waits for
    the CPU; a check every few steps leaves both at work. A CPU has nothing to wait for.

    Args:
        interval: steps between two checks on a device that works asynchronously, such as a GPU.
    """

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._losses: list[Tensor] = []
        self._samples: list[Tensor] = []

    def record(self, loss: Tensor, samples: Tensor) -> NonFiniteLoss | None:
        """Record a step, and check the recorded ones when it is time to.

        Args:
            loss: a scalar.
            samples: ``(N,)`` indices of the batch's samples in the training split.

        Returns:
            The first loss since the last check that is not finite, if there is one.
        """
        self._losses.append(loss.detach())
        self._samples.append(samples)
        return self.check() if len(self._losses) >= self.interval or loss.device.type == "cpu" else None

    def check(self) -> NonFiniteLoss | None:
        """Check all steps since the last check, and forget them."""
        losses, samples = self._losses, self._samples
        self._losses, self._samples = [], []
        if not losses:
            return None
        values = torch.stack(losses).cpu()
        non_finite = (~values.isfinite()).nonzero().flatten().tolist()
        if not non_finite:
            return None
        first = non_finite[0]
        return NonFiniteLoss(values[first].item(), len(losses) - 1 - first, samples[first].tolist())


def non_finite_tensors(tensors: Mapping[str, Any]) -> list[str]:
    """Return the names of the floating-point tensors that hold infinity or NaN; the device is waited for once."""
    floats = {name: value for name, value in tensors.items() if isinstance(value, Tensor) and value.is_floating_point()}
    if not floats:
        return []
    finite = torch.stack([value.isfinite().all() for value in floats.values()])
    return [name for name, good in zip(floats, finite.tolist(), strict=True) if not good]
