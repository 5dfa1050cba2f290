"""Exact cheaper forms: the same function as the plain form, in less work. Pure functions.

All convolutions here are cross-correlations of stride 1 whose zero padding keeps the size, as a :class:`Kernel` says.
"Exact" means equal up to the order of sums; the tests hold forward and gradients to 1e-12 in float64.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from segnet.layers.rewrite_rules import note, phases_pay


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


def convolve_map(features: Tensor, kernel: Kernel) -> Tensor:
    """Convolve ``(N, C_in, H, W)`` to ``(N, C_out, H, W)``; a dilated depthwise kernel by phases where that pays."""
    weight, bias, dilation, groups = kernel
    is_depthwise = groups > 1 and groups == features.shape[1]
    if is_depthwise and phases_pay(features, kernel.taps, dilation):
        note(f"{kernel.describe()} -> {dilation}x{dilation} phases")
        return convolve_by_phases(features, kernel)
    return F.conv2d(features, weight, bias, 1, dilation * (kernel.taps // 2), dilation, groups)


def convolve_by_phases(features: Tensor, kernel: Kernel) -> Tensor:
    """Compute a dilated convolution without dilation: space to batch, convolution, batch to space.

    Taps that are d apart meet only pixels of one phase, those with the same coordinates modulo d. So the d x d phases
    are moved to the batch, convolved there, and moved back. The zeros that fill up the last cell stand where the plain
    form pads zeros.
    """
    dilation, (height, width) = kernel.dilation, features.shape[-2:]
    phases = _space_to_batch(F.pad(features, (0, -width % dilation, 0, -height % dilation)), dilation)
    convolved = F.conv2d(phases, kernel.weight, kernel.bias, 1, kernel.taps // 2, 1, kernel.groups)
    layout = torch.channels_last if is_channels_last(features) else torch.contiguous_format
    return _batch_to_space(convolved, dilation)[..., :height, :width].contiguous(memory_format=layout)


def is_channels_last(features: Tensor) -> bool:
    """Say whether features lie in memory channel by channel last, and not in both layouts at once."""
    return features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous()


def _space_to_batch(features: Tensor, step: int) -> Tensor:
    """Take ``(N, C, step * h, step * w)`` to ``(N * step * step, C, h, w)``, in the same memory layout."""
    cells = features.unflatten(3, (-1, step)).unflatten(2, (-1, step))  # N, C, h, step, w, step
    if is_channels_last(features):
        return cells.permute(0, 3, 5, 2, 4, 1).flatten(0, 2).permute(0, 3, 1, 2)
    return cells.permute(0, 3, 5, 1, 2, 4).flatten(0, 2)


def _batch_to_space(phases: Tensor, step: int) -> Tensor:
    """Undo :func:`_space_to_batch`."""
    cells = phases.unflatten(0, (-1, step, step))  # N, step, step, C, h, w
    if is_channels_last(phases):
        return cells.permute(0, 4, 1, 5, 2, 3).flatten(1, 2).flatten(2, 3).permute(0, 3, 1, 2)
    return cells.permute(0, 3, 4, 1, 5, 2).flatten(2, 3).flatten(3, 4)


def convolve_nails(features: Tensor, kernel: Kernel, output_size: tuple[int, int]) -> Tensor:
    """Compute bed of nails, then the convolution, as one transposed convolution of stride 2 with the flipped kernel.

    Args:
        features: ``(N, C_in, h, w)``.
        kernel: of any odd size, dilation and groups.
        output_size: 2n or 2n - 1 along each axis.
    """
    stamp = swap_channels(kernel.weight.flip(-2, -1), kernel.groups)
    padding = kernel.dilation * (kernel.taps // 2)
    extra = [after - 2 * before + 1 for before, after in zip(features.shape[-2:], output_size, strict=True)]
    return F.conv_transpose2d(features, stamp, kernel.bias, 2, padding, extra, kernel.groups, kernel.dilation)


def convolve_nearest(features: Tensor, kernel: Kernel, output_size: tuple[int, int]) -> Tensor:
    """Compute nearest neighbour, then an undilated convolution, as one transposed convolution of stride 2.

    Where an axis of the output has 2n - 1 pixels, the transposed convolution has also seen the pixel that is left
    out; what that one added is taken off again (one row or column, convolved with half the kernel).

    Args:
        features: ``(N, C_in, h, w)``.
        kernel: of any odd size and groups, without dilation.
        output_size: 2n or 2n - 1 along each axis.
    """
    reach = kernel.taps // 2
    height, width = output_size
    stamp = swap_channels(nearest_stamp(kernel.weight), kernel.groups)
    output = F.conv_transpose2d(features, stamp, kernel.bias, 2, reach, 0, kernel.groups)
    is_short = [after % 2 for after in output_size]
    if not any(is_short):
        return output
    layout = torch.channels_last if is_channels_last(output) else torch.contiguous_format
    output = output[..., :height, :width].clone(memory_format=layout)
    if is_short[0] and reach:
        row = features[..., -1:, :].repeat_interleave(2, dim=-1)[..., :width]
        beyond = F.conv2d(row, kernel.weight[..., reach + 1 :, :], None, 1, (reach - 1, reach), 1, kernel.groups)
        output[..., -reach:, :] -= beyond[..., -height:, :]
    if is_short[1] and reach:
        column = features[..., -1:].repeat_interleave(2, dim=-2)
        beyond = F.conv2d(column, kernel.weight[..., reach + 1 :], None, 1, (reach, reach - 1), 1, kernel.groups)
        output[..., -reach:] -= beyond[..., :height, -width:]
    return output


def nearest_stamp(weight: Tensor) -> Tensor:
    """Return what one input pixel leaves through nearest neighbour and a convolution: the flipped kernel over 2x2 ones.

    One product with a constant matrix: made by padding and adding it costs more than it saves in a deep stage.

    Args:
        weight: ``(C_out, C_in / groups, k, k)``.

    Returns:
        ``(C_out, C_in / groups, k + 1, k + 1)``.
    """
    taps = weight.shape[-1]
    # Along one axis tap u of the kernel reaches place t of the stamp if t + u is k - 1 or k.
    reaches = weight.new_ones(taps + 1, taps).tril().triu(-1).flip(1)
    return (weight.flatten(2) @ torch.kron(reaches, reaches).T).unflatten(2, (taps + 1, taps + 1))


def swap_channels(weight: Tensor, groups: int) -> Tensor:
    """Turn ``(C_out, C_in / groups, k, k)`` into the ``(C_in, C_out / groups, k, k)`` of a transposed convolution."""
    if groups == 1:
        return weight.transpose(0, 1)
    return weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
