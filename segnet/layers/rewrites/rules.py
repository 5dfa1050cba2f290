"""When an exact cheaper form is used: rules that were measured, with ``scripts/benchmarks/rules.py``.

An exact form that multiplies less can still be slower: its kernel has to be put together, and its operator may be one
that the device does not do well. Nothing here changes a result by more than rounding.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from segnet.layers.grouped import is_depthwise
from segnet.layers.rewrites.kernel import Kernel

Size = tuple[int, int]


class UpsamplerForms(NamedTuple):
    """The exact forms of an upsampler with the convolution behind it.

    Attributes:
        before: takes the kernel and the features' heights and widths before and after; returns the kernel that gives
            the same result before the upsampler, or None where there is none.
        joined: takes features ``(N, C, h, w)``, the output size, the kernel and the rules; returns what upsampler and
            kernel make of them, ``(N, C_out, *output_size)``, in one operator, or None where that does not pay.
    """

    before: Callable[[Kernel, Size, Size], Kernel | None]
    joined: Callable[[Tensor, Size, Kernel, "Rules"], Tensor | None] | None = None


@dataclass(frozen=True)
class Rules:
    """What is known of a device only when features arrive: from which size, and in which precision, a form pays.

    Attributes:
        least_pixels_nearest: pixels (of the whole batch, before upsampling) from which nearest neighbour and a dense or
            grouped convolution pay as one transposed convolution. On a CPU in fp32: 0.5 to 1 times as fast at 320
            pixels and fewer, 1.3 to 2.2 at 1,280.
        least_pixels_nearest_depthwise: the same for a depthwise convolution: never. Transposed it multiplies less, and
            takes longer (0.85 times as fast).
        forms: exact forms of further upsamplers, by class, see :data:`segnet.layers.rewrites.upsampling.FORMS`.
        listener: called with each exact form that runs, such as "Nearest + 3x3 -> transposed 4x4".
    """

    least_pixels_nearest: float = 1024
    least_pixels_nearest_depthwise: float = math.inf
    forms: Mapping[type, UpsamplerForms] = field(default_factory=dict)
    listener: Callable[[str], None] | None = None

    def nearest_pays(self, features: Tensor, weight: Tensor) -> bool:
        """Say whether nearest neighbour of ``(N, C, h, w)`` and a convolution pay as one transposed convolution.

        On a GPU they do not: on an H100 0.45 to 0.86 times as fast at all but the largest of 30 sizes.
        """
        if features.device.type == "cuda":
            return False
        pixels = features.shape[0] * features.shape[2] * features.shape[3]
        return pixels >= (self.least_pixels_nearest_depthwise if weight.shape[1] == 1 else self.least_pixels_nearest)

    def nails_pay(self, features: Tensor, weight: Tensor) -> bool:
        """Say whether a bed of nails and a convolution pay as one transposed convolution.

        Always, but for a depthwise one in 16 bits on a CPU, where it takes 1.15 times as long.
        """
        return weight.shape[1] > 1 or features.device.type != "cpu" or not _is_low_precision(features)

    def slices_pay(self, features: Tensor, runs_first: bool) -> bool:
        """Say whether a convolution of stacked maps pays as one convolution for each map, with its slice of the kernel.

        It keeps no copy of the maps for the backward pass. On a GPU it pays only where a slice runs before an
        upsampler: elsewhere it was 0.8 to 1.05 times as fast on an H100.

        Args:
            features: one of the maps.
            runs_first: whether one of them is yet to be enlarged, and its slice can run before that.
        """
        return runs_first or features.device.type != "cuda"

    def grouped_pays(self, features: Tensor, weight: Tensor, stride: int, dilation: int, groups: int) -> bool:
        """Say whether a grouped convolution pays with gradients of :mod:`segnet.layers.grouped`.

        On a CPU an atrous one does in channels_last (forward and backward 1.3 to 4 times as fast in fp32; in bf16 10
        times and more on large maps, 1.4 to 6 on small ones; contiguous, 0.8 to 1.5), and a depthwise one with strides
        in 16 bits (6 times and more). On an H100 it is 0.3 to 1.4 times as fast.
        """
        if groups == 1 or features.device.type != "cpu":
            return False
        is_spatial = weight.shape[-2:] != (1, 1)
        if stride == 1:
            return dilation > 1 and is_spatial and not features.is_contiguous()
        return dilation == 1 and is_spatial and is_depthwise(weight, groups) and _is_low_precision(features)

    def note(self, form: str) -> None:
        """Tell the listener, if there is one, which exact form runs."""
        if self.listener is not None:
            self.listener(form)


def _is_low_precision(features: Tensor) -> bool:
    """Say whether a convolution of these features runs in 16 bits, autocast included."""
    if torch.is_autocast_enabled(features.device.type) and features.dtype == torch.float32:
        return True
    return features.dtype in (torch.bfloat16, torch.float16)
