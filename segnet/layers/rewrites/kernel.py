"""A convolution as a value: what the exact forms compute with."""

from typing import NamedTuple

from torch import Tensor


class Kernel(NamedTuple):
    """A convolution of stride 1 that keeps the size.

    Attributes:
        weight: ``(C_out, C_in / groups, k, k)``, k odd.
        bias: ``(C_out,)`` or None.
        dilation: step between two taps.
        groups: number of channel groups; C_in for a depthwise convolution.
    """

    weight: Tensor
    bias: Tensor | None = None
    dilation: int = 1
    groups: int = 1

    @property
    def taps(self) -> int:
        """Taps along each axis, k."""
        return self.weight.shape[-1]

    def describe(self) -> str:
        """Say which it is, such as "3x3" or "depthwise 3x3, dilation 2"."""
        kind = "" if self.groups == 1 else "depthwise " if self.weight.shape[1] == 1 else "grouped "
        return f"{kind}{self.taps}x{self.taps}" + (f", dilation {self.dilation}" if self.dilation > 1 else "")
