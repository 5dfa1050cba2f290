"""Convolutions and the block that is built from them.

A *convolution factory* is called as ``convolution(in_channels, out_channels, kernel_size=3, stride=1)`` and
returns a module that takes ``(N, in_channels, H, W)`` to ``(N, out_channels, ceil(H / stride), ceil(W / stride))``:
padding keeps the size. All but :class:`FlippedConvolution` compute cross-correlation, as every framework does. It makes
no difference to what can be learned: a network that needs the flipped kernel learns it (the notes, "Convolution
Layers").
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.compat import conv_forward, has_own_conv_forward
from segnet.errors import UserError
from segnet.layers.rewrites.exact import convolve_map, keeps_size
from segnet.layers.rewrites.kernel import Kernel
from segnet.layers.rewrites.rules import Rules

Padding = Literal["same", "valid"]


def padding_of(kernel_size: int, dilation: int, padding: Padding) -> int:
    """Return the zeros on each side of a kernel of ``kernel_size = 2l + 1`` taps: ``l * dilation`` for "same", else 0.

    Raises:
        UserError: the kernel is even, the dilation is below 1, or the padding is neither "same" nor "valid".
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise UserError(f"a convolution takes an odd kernel_size (1, 3, 5, ...), not {kernel_size}")
    if dilation < 1:
        raise UserError(f"a convolution takes a dilation (rate) of 1 or more, not {dilation}")
    if padding not in ("same", "valid"):
        raise UserError(f"a convolution takes padding=same or padding=valid, not {padding}")
    return dilation * (kernel_size // 2) if padding == "same" else 0


class Convolution(nn.Conv2d):
    """:class:`torch.nn.Conv2d` with exact cheaper forms: the same arguments, weights and function.

    On small maps it leaves out the taps that see nothing but padding, and a grouped one has the gradients of
    :mod:`segnet.layers.grouped`. Other paddings than zeros that keep the size, and subclasses with a ``_conv_forward``
    of their own, run as they are; so does what ``torch.export`` captures, which may leave sizes open.
    """

    rules: Rules | None = Rules()

    def rewrite(self, rules: Rules | None) -> None:
        """Choose cheaper forms by these rules, or with None the plain form."""
        self.rules = rules

    def kernel_weight(self) -> Tensor:
        """Return the weights as a cross-correlation takes them, ``(C_out, C_in / groups, k, k)``."""
        return self.weight

    def forward(self, features: Tensor) -> Tensor:
        """Convolve ``(N, in_channels, H, W)``."""
        weight = self.kernel_weight()
        if self.rules is None or has_own_conv_forward(self) or not keeps_size(self) or torch.compiler.is_exporting():
            return conv_forward(self, features, weight)
        return convolve_map(
            features, Kernel(weight, self.bias, self.dilation[0], self.groups), self.rules, self.stride[0]
        )


class RegularConvolution(Convolution):
    """Dense convolution over space and channels, no bias (a norm follows).

    ``y[f, i, j] = sum over c, u, v of w[f, c, u, v] * x[c, stride * i + dilation * (u - l), ...]``, ``u`` from 0 to
    ``2l``: a cross-correlation.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: odd number of taps along each axis, ``2l + 1``.
        stride: step between two outputs.
        dilation: step between two taps; above 1 it is the atrous convolution of the notes.
        padding: "same" puts zeros around, so that stride 1 keeps the size (stride s: ``ceil(H / s)``); "valid" keeps
            the kernel inside, so that stride 1 makes it ``2l * dilation`` smaller. Networks use "same".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        padding: Padding = "same",
    ) -> None:
        zeros = padding_of(kernel_size, dilation, padding)
        super().__init__(in_channels, out_channels, kernel_size, stride, zeros, dilation, bias=False)


class FlippedConvolution(RegularConvolution):
    """Convolution in the mathematical sense: ``x[i - u]`` where cross-correlation has ``x[i + u]``, both axes.

    It is the cross-correlation with the flipped kernel. Its weights are those of :class:`RegularConvolution`, flipped,
    so that both learn the same functions, and one start is as likely as the other.
    """

    def kernel_weight(self) -> Tensor:
        """Return the weights flipped, as a cross-correlation takes them."""
        return self.weight.flip(-2, -1)


class DepthwiseConvolution(Convolution):
    """Convolution of each channel by itself, no bias.

    Args:
        channels: input and output channels.
        kernel_size: odd number of taps along each axis.
        stride: step between two outputs.
        dilation: step between two taps.
        padding: "same" or "valid", as in :class:`RegularConvolution`.
    """

    def __init__(
        self, channels: int, kernel_size: int = 3, stride: int = 1, dilation: int = 1, padding: Padding = "same"
    ) -> None:
        zeros = padding_of(kernel_size, dilation, padding)
        super().__init__(channels, channels, kernel_size, stride, zeros, dilation, groups=channels, bias=False)


class SeparableConvolution(nn.Module):
    """Depthwise convolution (space), then 1x1 convolution (channels), as in the notes: nothing between the two.

    A kernel of one tap mixes no space: then the 1x1 convolution is all there is.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: odd number of taps of the depthwise kernels.
        stride: step between two outputs of the depthwise half.
        dilation: step between two taps of the depthwise half.
        padding: "same" or "valid", as in :class:`RegularConvolution`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        padding: Padding = "same",
    ) -> None:
        super().__init__()
        padding_of(kernel_size, dilation, padding)
        if kernel_size == 1:
            self.depthwise: nn.Module = nn.Identity()
            self.pointwise = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            return
        self.depthwise = DepthwiseConvolution(in_channels, kernel_size, stride, dilation, padding)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Mix space, then channels, of ``(N, in_channels, H, W)``."""
        mixed: Tensor = self.pointwise(self.depthwise(features))
        return mixed


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that also trains on a single value a channel.

    One 1x1 map in a batch of one has no variance, and torch refuses it; here the running statistics stand in, so
    that a network takes any input size at any batch size.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Normalise ``(N, C, H, W)``."""
        if self.training and is_single(features):
            return normalise_by_running(self, features)
        return super().forward(features)


def is_single(features: Tensor) -> bool:
    """Say whether ``(N, C, H, W)`` has a single value a channel."""
    return features.shape[0] * features.shape[2] * features.shape[3] == 1


def normalise_by_running(norm: nn.BatchNorm2d, features: Tensor) -> Tensor:
    """Normalise ``(N, C, H, W)`` by the running statistics, as in evaluation."""
    return F.batch_norm(features, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


class ConvNormAct(nn.Sequential):
    """Convolution, batch norm, activation.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        convolution: convolution factory.
        activation: factory of the activation, called without arguments.
        kernel_size: odd number of taps along each axis.
        stride: step between two outputs.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        convolution: Callable[..., nn.Module],
        activation: Callable[[], nn.Module] = nn.ReLU,
        kernel_size: int = 3,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.convolution = convolution(in_channels, out_channels, kernel_size=kernel_size, stride=stride)
        self.norm = BatchNorm(out_channels)
        self.activation = activation()


class ConvBlock(nn.Sequential):
    """``depth`` times convolution, norm, activation.

    A depth of 0 is the identity, and needs ``in_channels == out_channels``.

    Args:
        in_channels: channels that arrive.
        out_channels: channels that leave.
        depth: number of convolutions.
        convolution: convolution factory, or one a convolution.
        activation: factory of the activation.
        kernel_size: odd number of taps along each axis.
        change_last: whether the last convolution changes the channel count, instead of the first.
        stride: step between two outputs of the first convolution.

    Raises:
        UserError: the depth is negative, is 0 though the channels change, or differs from the convolutions' number.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth: int,
        convolution: Callable[..., nn.Module] | Sequence[Callable[..., nn.Module]],
        activation: Callable[[], nn.Module] = nn.ReLU,
        kernel_size: int = 3,
        change_last: bool = False,
        stride: int = 1,
    ) -> None:
        if depth < 0 or (depth == 0 and in_channels != out_channels):
            raise UserError(
                f"a block of depth {depth} cannot take {in_channels} channels to {out_channels}: "
                f"set 1 or more in encoder.depths or decoder.depths, or equal widths"
            )
        convolutions = [convolution] * depth if callable(convolution) else list(convolution)
        if len(convolutions) != depth:
            raise UserError(
                f"a block of depth {depth} was given {len(convolutions)} convolutions: "
                f"set as many as encoder.depths or decoder.depths says"
            )
        inner = in_channels if change_last else out_channels
        sizes = [in_channels, *[inner] * (depth - 1), out_channels]
        super().__init__(
            *(
                ConvNormAct(before, after, factory, activation, kernel_size, stride if place == 0 else 1)
                for place, (before, after, factory) in enumerate(zip(sizes, sizes[1:], convolutions, strict=False))
            )
        )


def initialise_convolution(module: nn.Conv2d, generator: torch.Generator) -> None:
    """Draw the weights of a convolution by He et al. 2015 (fan in, gain of a ReLU); the bias starts at zero."""
    nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu", generator=generator)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
