"""The upsamplers: operators that make a feature map larger and leave its channels as they are.

Contract, for every class here: ``Upsampler(channels)`` builds it, and
``forward(features, output_size, pool_indices=None)`` takes features ``(N, C, h, w)`` to ``(N, C, H, W)`` with
``output_size = (H, W)``, ``h <= H <= 2h`` and ``w <= W <= 2w``; without ``output_size`` it doubles. An upsampler is
the operator and nothing else: no norm, no activation, no further convolution. The result has the memory layout of the
features.
Those that have an exact cheaper form with the convolution behind them stand in
:mod:`segnet.layers.rewrites.upsampling`.
Source: the notes, "Upsampling network", numbers 1 to 5; bicubic interpolation comes on top of them. The learned ones
of later papers are in :mod:`segnet.layers.learned_upsamplers`.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.layers.exporting import exports_doubling
from segnet.layers.pooling.pool import max_unpool
from segnet.layers.pooling.torch_kernels import cut, fill_cells


def nearest_positions(size: int, output_size: int, device: torch.device | None = None) -> Tensor:
    """Input coordinate that each of ``output_size`` pixels copies along one axis: ``floor(i * size / output_size)``.

    In integers: torch's "nearest" mode rounds the ratio first, and misses a pixel at some sizes (30 to 58, say).
    """
    return torch.arange(output_size, device=device) * size // output_size


def resample_nearest(features: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Resample ``(N, C, h, w)`` to ``(N, C, *output_size)`` by :func:`nearest_positions`, larger or smaller."""
    rows = nearest_positions(features.shape[-2], output_size[0], features.device)
    columns = nearest_positions(features.shape[-1], output_size[1], features.device)
    return features.index_select(-2, rows).index_select(-1, columns)


def nail_positions(size: int, output_size: int, device: torch.device | None = None) -> Tensor:
    """Output coordinate of each of ``size`` input pixels along one axis of ``output_size`` pixels.

    It is the first output pixel whose nearest input pixel is this one: ``ceil(i * output_size / size)``, which
    is ``2 i`` for an output of ``2 size`` or ``2 size - 1`` pixels.
    """
    index = torch.arange(size, device=device)
    return (index * output_size + size - 1) // size


def place_nails(features: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Spread ``(N, C, h, w)`` over ``(N, C, H, W)``, zeros between: the bed of nails."""
    (height, width), (out_height, out_width) = features.shape[-2:], output_size
    batch, channels = features.shape[:2]
    if torch.compiler.is_exporting():
        return _export_nails(features, output_size)
    if features.is_contiguous(memory_format=torch.channels_last):
        output = features.new_zeros((batch, out_height, out_width, channels)).permute(0, 3, 1, 2)
    else:
        output = features.new_zeros((batch, channels, out_height, out_width))
    if doubles((height, width), output_size):
        output[..., ::2, ::2] = features
        return output
    rows = nail_positions(height, out_height, features.device)
    columns = nail_positions(width, out_width, features.device)
    output[..., rows[:, None], columns[None, :]] = features
    return output


def _export_nails(features: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Do what :func:`place_nails` does in operators that any runtime has, at any size."""
    (height, width), (out_height, out_width) = features.shape[-2:], output_size
    if doubles((height, width), output_size):
        nothing = torch.zeros_like(features)
        return fill_cells([features, nothing, nothing, nothing], output_size)
    is_row, is_column = (
        (torch.arange(after, device=features.device) * before) % after < before
        for before, after in ((height, out_height), (width, out_width))
    )
    return torch.where(is_row[:, None] & is_column, resample_nearest(features, output_size), 0)


def doubles(size: Sequence[int], output_size: Sequence[int]) -> bool:
    """Say whether both axes go from n to 2n or 2n - 1, the sizes that halving (rounded up) undoes.

    While ``torch.export`` runs, which may leave sizes open, that is what
    :func:`segnet.layers.exporting.every_step_doubles` promises.
    """
    if torch.compiler.is_exporting():
        return exports_doubling()
    return all(after in (2 * before, 2 * before - 1) for before, after in zip(size, output_size, strict=True))


class Upsampler(nn.Module):
    """Base of all upsamplers: checks what the contract asks of the sizes.

    Args:
        channels: number of feature channels C, the same before and after.
    """

    needs_pool_indices: ClassVar[bool] = False

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(
        self, features: Tensor, output_size: tuple[int, int] | None = None, pool_indices: Tensor | None = None
    ) -> Tensor:
        """Take ``(N, C, h, w)`` to ``(N, C, *output_size)``, or to ``(N, C, 2h, 2w)`` where no size is given.

        Raises:
            ValueError: ``output_size`` is not between 1x and 2x of the features' size.
        """
        if output_size is None:
            output_size = 2 * features.shape[-2], 2 * features.shape[-1]
        sizes = zip(features.shape[-2:], output_size, strict=True)
        # Sizes that torch.export leaves open cannot be compared.
        if not torch.compiler.is_exporting() and not all(size <= target <= 2 * size for size, target in sizes):
            raise ValueError(
                f"an upsampler goes from 1x to 2x a step: {tuple(features.shape[-2:])} cannot become "
                f"{tuple(output_size)}"
            )
        output = self.upsample(features, output_size, pool_indices)
        if torch.compiler.is_exporting():  # a graph has no layouts
            return output
        if features.is_contiguous():
            return output.contiguous()
        if features.is_contiguous(memory_format=torch.channels_last):
            return output.contiguous(memory_format=torch.channels_last)
        return output

    def upsample(self, features: Tensor, output_size: tuple[int, int], pool_indices: Tensor | None) -> Tensor:
        """Do the work of ``forward``, the sizes being right."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the channel count."""
        return f"{self.channels}"


class Nearest(Upsampler):
    """Each output pixel copies the nearest input pixel (the notes, number 1).

    Example:
        >>> Nearest(channels=1)(torch.tensor([[[[3.0, 4.0]]]]), output_size=(2, 3))
        tensor([[[[3., 3., 4.],
                  [3., 3., 4.]]]])
    """

    def upsample(self, features: Tensor, output_size: tuple[int, int], pool_indices: Tensor | None) -> Tensor:
        """Copy."""
        if doubles(features.shape[-2:], output_size):  # torch's rounding is right at these sizes, and it is faster
            return F.interpolate(features, size=output_size, mode="nearest")
        return resample_nearest(features, output_size)


class Bilinear(Upsampler):
    """Linear interpolation along both axes between pixel centres (the notes, number 2; no aligned corners)."""

    def upsample(self, features: Tensor, output_size: tuple[int, int], pool_indices: Tensor | None) -> Tensor:
        """Interpolate."""
        return F.interpolate(features, size=output_size, mode="bilinear", align_corners=False)


class Bicubic(Upsampler):
    """Cubic interpolation from 4x4 pixels (Keys 1981, with a = -0.75), border pixels repeated; no aligned corners."""

    def upsample(self, features: Tensor, output_size: tuple[int, int], pool_indices: Tensor | None) -> Tensor:
        """Interpolate."""
        return F.interpolate(features, size=output_size, mode="bicubic", align_corners=False)


class BedOfNails(Upsampler):
    """Each input pixel stands at the first corner of its cell, zeros around it (the notes, number 3)."""

    def upsample(self, features: Tensor, output_size: tuple[int, int], pool_indices: Tensor | None) -> Tensor:
        """Place the nails."""
        return place_nails(features, output_size)


class MaxUnpool(Upsampler):
    """Each input pixel returns to where the matching pooling found its maximum, zeros elsewhere (the notes, number 4).

    Source also: Badrinarayanan et al. 2017, SegNet.
    """

    needs_pool_indices = True

    def upsample(self, features: Tensor, output_size: tuple[int, int], pool_indices: Tensor | None) -> Tensor:
        """Unpool.

        Raises:
            ValueError: no pool indices were given.
        """
        if pool_indices is None:
            raise ValueError("max-unpool needs the pool indices of the matching encoder stage")
        return max_unpool(features, pool_indices, output_size)


class TransposedConvolution(Upsampler):
    """Every input pixel stamps its kernel, scaled by its value, on the output; stamps overlap and add (the notes, 5).

    With stride 2 it is a bed of nails followed by a convolution with the flipped kernel; that form also serves the
    output sizes that a stride of 2 cannot reach (those other than 2n and 2n - 1).

    Args:
        channels: number of feature channels C.
        kernel_size: 2, 3 or 4. A size that 2 does not divide overlaps unevenly (Odena et al. 2016).
        bias: adds a learned constant to each channel.

    Raises:
        UserError: another kernel size.
    """

    def __init__(self, channels: int, kernel_size: int = 4, bias: bool = False) -> None:
        super().__init__(channels)
        if kernel_size not in (2, 3, 4):
            raise UserError(f"transposed_conv takes upsampler.kernel_size=2, 3 or 4, not {kernel_size}")
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(channels, channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw weights that keep the variance: each output pixel sees about ``C * k * k / 4`` of them."""
        fan_in = self.channels * self.kernel_size**2 / 4
        nn.init.normal_(self.weight, std=fan_in**-0.5, generator=generator)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def upsample(self, features: Tensor, output_size: tuple[int, int], pool_indices: Tensor | None) -> Tensor:
        """Stamp."""
        before = (self.kernel_size - 1) // 2
        if doubles(features.shape[-2:], output_size):
            extra = 2 * before + 2 - self.kernel_size
            output = F.conv_transpose2d(
                features, self.weight, self.bias, stride=2, padding=before, output_padding=extra
            )
            return cut(output, output_size)
        # The stamp of a nail at p covers p - before ... p - before + k - 1.
        after = self.kernel_size - 1 - before
        nails = F.pad(place_nails(features, output_size), (after, before, after, before))
        return F.conv2d(nails, self.weight.flip(-2, -1).transpose(0, 1), self.bias)

    def extra_repr(self) -> str:
        """Show channels and kernel."""
        return f"{self.channels}, kernel_size={self.kernel_size}, bias={self.bias is not None}"
