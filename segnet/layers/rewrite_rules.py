"""When an exact cheaper form is used: rules that were measured, with ``scripts/benchmarks``.

An exact form that multiplies less can still be slower: its kernel has to be put together, and its operator may be one
that the device does not do well. Nothing here changes a result by more than rounding.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

_listener: Callable[[str], None] | None = None

LEAST_PIXELS_NEAREST = 1024
"""Pixels (of the whole batch) from which the stamp of nearest neighbour costs less than it saves."""


def nearest_pays(features: Tensor, weight: Tensor) -> bool:
    """Say whether nearest neighbour and a convolution pay as one transposed convolution."""
    return _pixels(features) >= LEAST_PIXELS_NEAREST


def nails_pay(features: Tensor, weight: Tensor) -> bool:
    """Say whether a bed of nails and a convolution pay as one transposed convolution."""
    return True


def phases_pay(features: Tensor, taps: int, dilation: int) -> bool:
    """Say whether a dilated depthwise convolution pays by phases, d x d of them (space to batch)."""
    if dilation == 1 or taps == 1 or features.device.type != "cpu":
        return False
    height, width = features.shape[-2:]
    filled = (height + -height % dilation) * (width + -width % dilation)
    return filled <= 1.5 * height * width


def _pixels(features: Tensor) -> int:
    return features.shape[0] * features.shape[2] * features.shape[3]


def note(form: str) -> None:
    """Tell the listener, if there is one, which exact form runs."""
    if _listener is not None:
        _listener(form)


@contextmanager
def listen(listener: Callable[[str], None]) -> Iterator[None]:
    """Have ``listener`` called with each exact form that runs meanwhile, such as "Nearest + 3x3 -> transposed 4x4"."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
