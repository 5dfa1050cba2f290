"""Grouped and depthwise convolutions on a CPU: the function of torch's own, with a faster backward pass.

Torch's (oneDNN's) forward pass is fast; what takes its time is the gradients of atrous ones in every precision, and of
strided ones in 16 bits. Both can be had from fast operators:

- the gradient of the features, from a forward pass with the flipped kernel, after a bed of nails where there are
  strides;
- the gradient of the weights of an atrous convolution, from its d x d phases, which are not dilated: taps that are d
  apart meet only pixels with the same coordinates modulo d.

It is also the way to correct gradients of the weights where a processor has AVX512-BF16: for an atrous grouped
convolution in bf16, channels_last, whose groups are no multiple of 16 channels, oneDNN 3.13 (in torch 2.15) reads
memory that nobody wrote, and its values are wrong by more than their size.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

FARTHEST = 6
"""Pixels from the centre to a kernel's outer tap up to which oneDNN has a fast depthwise forward pass."""


def convolve_grouped(
    features: Tensor, weight: Tensor, bias: Tensor | None, stride: int, dilation: int, groups: int
) -> Tensor:
    """Convolve with zero padding that keeps the size at stride 1.

    Args:
        features: ``(N, C_in, H, W)``.
        weight: ``(C_out, C_in / groups, k_h, k_w)``, odd.
        bias: ``(C_out,)`` or None.
        stride: step between two outputs; only where ``dilation`` is 1 and the convolution is depthwise.
        dilation: step between two taps.
        groups: 2 or more.

    Returns:
        ``(N, C_out, ceil(H / stride), ceil(W / stride))``, in the same memory layout.
    """
    if torch.is_autocast_enabled(features.device.type):
        # What autocast does inside torch's own, so that the backward pass has 16 bits too.
        dtype = torch.get_autocast_dtype(features.device.type)
        features, weight = features.to(dtype), weight.to(dtype)
        bias = bias if bias is None else bias.to(dtype)
    if torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad):
        convolved: Tensor = _Grouped.apply(features, weight, bias, stride, dilation, groups)
        return convolved
    return _forward(features, weight, bias, stride, dilation, groups)


class _Grouped(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, stride: int, dilation: int, groups: int
    ) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.setting = stride, dilation, groups
        return _forward(features, weight, bias, stride, dilation, groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight = ctx.saved_tensors
        stride, dilation, groups = ctx.setting
        layout = torch.channels_last if is_channels_last(features) else torch.contiguous_format
        gradient = gradient.contiguous(memory_format=layout)
        wanted = ctx.needs_input_grad
        of_features = _features_gradient(gradient, features, weight, stride, dilation, groups) if wanted[0] else None
        of_weight = _weight_gradient(gradient, features, weight, stride, dilation, groups) if wanted[1] else None
        of_bias = gradient.sum((0, 2, 3)) if wanted[2] else None
        return of_features, of_weight, of_bias, None, None, None


def same_padding(weight: Tensor, dilation: int) -> list[int]:
    """Return the zeros above and to the left of a map, and on the other sides, that keep its size."""
    return [dilation * (taps // 2) for taps in weight.shape[-2:]]


def _forward(features: Tensor, weight: Tensor, bias: Tensor | None, stride: int, dilation: int, groups: int) -> Tensor:
    """Convolve, shapes as in :func:`convolve_grouped`."""
    reach = dilation * (weight.shape[-1] // 2)
    if (
        stride == 1
        and dilation > 1
        and reach > FARTHEST
        and is_depthwise(weight, groups)
        and is_channels_last(features)
    ):
        return _columns_as_channels(features, weight, bias, dilation)
    return F.conv2d(features, weight, bias, stride, same_padding(weight, dilation), dilation, groups)


def _columns_as_channels(features: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Convolve ``(N, C, H, W)`` depthwise, ``(C, 1, k, k)``, with the d phases of the columns as further channels.

    The cells are ``(N, d * C, H, ceil(W / d))``: in channels_last that moves nothing.
    """
    channels, width = features.shape[1], features.shape[3]
    filling = -width % dilation
    padded = F.pad(features, (0, filling)) if filling else features
    cells = padded.permute(0, 2, 3, 1).unflatten(2, (-1, dilation)).flatten(3).permute(0, 3, 1, 2)
    repeated = weight.repeat(dilation, 1, 1, 1), None if bias is None else bias.repeat(dilation)
    padding = [dilation * (weight.shape[2] // 2), weight.shape[3] // 2]
    convolved = F.conv2d(cells, *repeated, 1, padding, (dilation, 1), dilation * channels)
    rows: Tensor = convolved.permute(0, 2, 3, 1).unflatten(3, (dilation, channels)).flatten(2, 3).permute(0, 3, 1, 2)
    return rows[..., :width].contiguous(memory_format=torch.channels_last) if filling else rows


def _features_gradient(
    gradient: Tensor, features: Tensor, weight: Tensor, stride: int, dilation: int, groups: int
) -> Tensor:
    """Return the features' gradient ``(N, C_in, H, W)`` from the result's, ``(N, C_out, ceil(H / s), ceil(W / s))``."""
    if not is_depthwise(weight, groups):
        return _torch_gradients(gradient, features, weight, stride, dilation, groups, (True, False))[0]
    if stride > 1:
        nails = torch.zeros_like(features)
        nails[..., ::stride, ::stride] = gradient
        gradient = nails
    return _forward(gradient, weight.flip(-2, -1), None, 1, dilation, groups)


def _weight_gradient(
    gradient: Tensor, features: Tensor, weight: Tensor, stride: int, dilation: int, groups: int
) -> Tensor:
    """Return the weights' gradient ``(C_out, C_in / groups, k_h, k_w)`` from the result's."""
    if dilation == 1:
        return _torch_gradients(gradient, features, weight, stride, 1, groups, (False, True))[1]
    if min(features.shape[-2:]) <= 2 * dilation:
        # Phases of a pixel or two are too small to be fast. Contiguous, torch's own is correct.
        features, gradient = features.contiguous(), gradient.contiguous()
        return _torch_gradients(gradient, features, weight, 1, dilation, groups, (False, True))[1]
    of_gradient, of_features = (
        _phases(one.contiguous(memory_format=torch.channels_last), dilation) for one in (gradient, features)
    )
    return _torch_gradients(of_gradient, of_features, weight, 1, 1, groups, (False, True))[1]


def _torch_gradients(
    gradient: Tensor,
    features: Tensor,
    weight: Tensor,
    stride: int,
    dilation: int,
    groups: int,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return torch's own gradients of features and weights, of their shapes; None where they are not ``wanted``."""
    padding = same_padding(weight, dilation)
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, features, weight, None, [stride] * 2, padding, [dilation] * 2, False, [0, 0], groups, [*wanted, False]
    )
    return gradients


def _phases(features: Tensor, step: int) -> Tensor:
    """Move phases to the batch: ``(N, C, H, W)`` to ``(N * step * step, C, ceil(H / step), ceil(W / step))``.

    The zeros that fill up the last cell stand where the plain form pads zeros. In channels_last, in and out. Whole
    cells and what is left of the last one are copied each by itself: a padded copy would take as long again.
    """
    (count, channels, height, width), pixels = features.shape, features.permute(0, 2, 3, 1)
    phases = features.new_empty(count, step, step, -(-height // step), -(-width // step), channels)
    if height % step:
        phases[:, :, :, -1].zero_()
    if width % step:
        phases[:, :, :, :, -1].zero_()
    for top, rows in _whole_and_rest(height, step):
        for left, columns in _whole_and_rest(width, step):
            part = pixels[:, top : top + rows, left : left + columns]
            cells = part.unflatten(2, (-1, min(columns, step))).unflatten(1, (-1, min(rows, step)))
            place = phases[:, : cells.shape[2], : cells.shape[4], top // step :, left // step :]
            place[:, :, :, : cells.shape[1], : cells.shape[3]] = cells.permute(0, 2, 4, 1, 3, 5)
    return phases.flatten(0, 2).permute(0, 3, 1, 2)


def _whole_and_rest(side: int, step: int) -> list[tuple[int, int]]:
    """Return start and length of the whole cells along an axis, and of what is left, where there is something."""
    rest = side % step
    return [(start, length) for start, length in ((0, side - rest), (side - rest, rest)) if length]


def is_channels_last(features: Tensor) -> bool:
    """Say whether features lie in memory channel by channel last, and not in both layouts at once."""
    return features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous()


def is_depthwise(weight: Tensor, groups: int) -> bool:
    """Say whether a kernel ``(C_out, C_in / groups, k, k)`` convolves each channel by itself."""
    return weight.shape[1] == 1 and weight.shape[0] == groups
