"""Exact cheaper forms: the same function as the plain form, in less work. Pure functions.

All convolutions here are cross-correlations of stride 1 whose zero padding keeps the size, as a :class:`Kernel` says.
"Exact" means equal up to the order of sums; the tests hold forward and gradients to 1e-12 in float64.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.layers.grouped import convolve_grouped, is_channels_last, same_padding
from segnet.layers.rewrites.kernel import Kernel
from segnet.layers.rewrites.rules import Rules


def keeps_size(module: nn.Conv2d) -> bool:
    """Say whether a convolution has an odd square kernel and zeros around that keep the size at stride 1."""
    taps, dilation = module.kernel_size[0], module.dilation[0]
    is_square = all(one == other for one, other in (module.kernel_size, module.stride, module.dilation))
    zeros = (dilation * (taps // 2),) * 2
    return is_square and taps % 2 == 1 and module.padding == zeros and module.padding_mode == "zeros"


def convolve_map(features: Tensor, kernel: Kernel, rules: Rules, stride: int = 1) -> Tensor:
    """Convolve ``(N, C_in, H, W)`` to ``(N, C_out, ceil(H / stride), ceil(W / stride))``.

    Taps that see nothing but padding are left out, and a grouped convolution gets a faster backward pass where that
    pays.
    """
    weight, bias, dilation, groups = kernel
    seen = seen_taps(weight, dilation, features.shape[-2:]) if stride == 1 else weight
    if seen is not weight:
        rules.note(f"{kernel.describe()} -> {seen.shape[2]}x{seen.shape[3]}, the taps that see the map")
    if rules.grouped_pays(features, seen, stride, dilation, groups):
        rules.note(f"{kernel.describe()} -> gradients by {f'{dilation}x{dilation} phases' if stride == 1 else 'nails'}")
        return convolve_grouped(features, seen, bias, stride, dilation, groups)
    return F.conv2d(features, seen, bias, stride, same_padding(seen, dilation), dilation, groups)


def seen_taps(weight: Tensor, dilation: int, size: Sequence[int]) -> Tensor:
    """Return the part of a kernel that sees a map of this size: its outer taps may see nothing but padding.

    Args:
        weight: ``(C_out, C_in / groups, k, k)``, k odd.
        dilation: step between two taps.
        size: height and width of the map.

    Returns:
        ``weight`` itself, or the middle of it, odd along each axis.
    """
    reach = weight.shape[-1] // 2
    kept = [min(reach, (side - 1) // dilation) for side in size]
    if kept == [reach, reach]:
        return weight
    rows, columns = (slice(reach - keep, reach + keep + 1) for keep in kept)
    return weight[..., rows, columns]


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
    stamp: Tensor = (weight.flatten(2) @ torch.kron(reaches, reaches).T).unflatten(2, (taps + 1, taps + 1))
    return stamp


def swap_channels(weight: Tensor, groups: int) -> Tensor:
    """Turn ``(C_out, C_in / groups, k, k)`` into the ``(C_in, C_out / groups, k, k)`` of a transposed convolution."""
    if groups == 1:
        return weight.transpose(0, 1)
    swapped: Tensor = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    return swapped
