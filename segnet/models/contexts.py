"""Context blocks: what sits at the lowest resolution, between encoder and decoder.

Contract: ``ContextBlock(in_channels)`` builds it; ``out_channels`` says what it returns;
``forward`` takes ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from segnet.layers import AtrousRegularConvolution, ConcatFusion, ConvNormAct, RegularConvolution


class NoContext(nn.Identity):
    """The decoder starts from the encoder's last stage as it is."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.out_channels = in_channels


class AtrousRegularContext(ConvNormAct):
    """One atrous convolution joined with a regular one, norm, activation: the notes' way to global context.

    Args:
        in_channels: channels that arrive.
        out_channels: channels that leave; None: as many as arrive.
        dilation: step between two taps of the atrous branch.
        fusion: fusion factory, see :mod:`segnet.layers.fusion`.
        activation: factory of the activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        dilation: int = 4,
        fusion: Callable[[int, Sequence[str]], nn.Module] = ConcatFusion,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        out_channels = in_channels if out_channels is None else out_channels
        convolution = partial(AtrousRegularConvolution, dilation=dilation, fusion=fusion)
        super().__init__(in_channels, out_channels, convolution, activation)
        self.out_channels = out_channels


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017, DeepLabv3; separable branches: Chen et al. 2018, DeepLabv3+).

    Side by side: a 1x1 convolution, a 3x3 atrous convolution a rate, and the mean over the whole map (image pooling)
    through a 1x1 convolution; all of ``out_channels``, stacked, and a 1x1 convolution over them. Each has norm and
    activation. At batch 1 the pooled branch has one value a channel; :class:`segnet.layers.BatchNorm` takes that.

    Args:
        in_channels: channels that arrive.
        out_channels: channels of each branch and of the result; None: as many as arrive (the paper has 256).
        rates: dilation of each atrous branch. A rate beyond the map's size leaves the middle tap only.
        convolution: factory of the atrous branches; it takes ``dilation``.
        activation: factory of the activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        rates: Sequence[int] = (6, 12, 18),
        convolution: Callable[..., nn.Module] = RegularConvolution,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.out_channels = in_channels if out_channels is None else out_channels
        pointwise = partial(ConvNormAct, convolution=RegularConvolution, activation=activation, kernel_size=1)
        self.pointwise = pointwise(in_channels, self.out_channels)
        self.atrous = nn.ModuleList(
            ConvNormAct(in_channels, self.out_channels, partial(convolution, dilation=rate), activation)
            for rate in rates
        )
        self.image_pooling = pointwise(in_channels, self.out_channels)
        self.project = pointwise((2 + len(self.atrous)) * self.out_channels, self.out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Take ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        pooled = self.image_pooling(features.mean(dim=(-2, -1), keepdim=True))
        branches = [self.pointwise(features), *(branch(features) for branch in self.atrous)]
        # Enlarging one pixel, by whatever interpolation, repeats it. An expanded view would lose the memory layout.
        # A copy that is exported would forget to.
        is_exporting = torch.compiler.is_exporting()
        branches.append(pooled.expand_as(branches[0]) if is_exporting else torch.empty_like(branches[0]).copy_(pooled))
        projected: Tensor = self.project(torch.cat(branches, dim=1))
        return projected
