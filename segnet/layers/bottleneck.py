"""A residual bottleneck of two depthwise branches, one of them atrous.

Source: Shi et al. 2023, LMFFNet ("A Well-Balanced Lightweight Network for Fast and Accurate Semantic Segmentation",
IEEE TNNLS), the block SEM-B.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segnet.errors import UserError
from segnet.layers.convolution import BatchNorm, ConvNormAct, DepthwiseConvolution, RegularConvolution


class SplitBottleneck(nn.Module):
    """Halves the channels, convolves each half of the rest depthwise, one of them with gaps, and adds the result.

    A 3x3 convolution to half of the channels; a depthwise 3x3 convolution on one half of these and an atrous one on the
    other; both stacked, a 3x3 convolution over them, and a 1x1 convolution to the output channels. The input is added
    where it has as many channels.

    Args:
        in_channels: channels that arrive.
        out_channels: channels that leave, a multiple of 4.
        kernel_size: odd number of taps of all but the 1x1 convolution.
        stride: 1.
        dilation: of the atrous branch.
        activation: factory of the activation inside.

    Raises:
        UserError: the channels cannot be halved twice, or the stride is not 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        if out_channels % 4 != 0:
            raise UserError(f"a SplitBottleneck cannot halve {out_channels} channels twice: choose a multiple of 4")
        if stride != 1:
            raise UserError("a SplitBottleneck has no stride: choose another convolution for encoder.first_stride=2")
        half, quarter = out_channels // 2, out_channels // 4
        self.reduce = ConvNormAct(in_channels, half, RegularConvolution, activation, kernel_size)
        self.near = DepthwiseConvolution(quarter, kernel_size=kernel_size)
        self.far = DepthwiseConvolution(quarter, kernel_size=kernel_size, dilation=dilation)
        self.merge = nn.Sequential(
            BatchNorm(half), activation(), ConvNormAct(half, half, RegularConvolution, activation, kernel_size)
        )
        self.expand = RegularConvolution(half, out_channels, kernel_size=1)
        self.adds_input = in_channels == out_channels

    def forward(self, features: Tensor) -> Tensor:
        """Take features ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        near, far = self.reduce(features).chunk(2, dim=1)
        changed: Tensor = self.expand(self.merge(torch.cat([self.near(near), self.far(far)], dim=1)))
        return features + changed if self.adds_input else changed
