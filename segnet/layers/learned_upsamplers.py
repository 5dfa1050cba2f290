"""Upsamplers of later papers, with parameters; same contract as :mod:`segnet.layers.upsamplers`.

Each is defined for a step of exactly 2x. An output of 2n - 1 pixels is that result without its last row or column;
one of any other size copies the nearest pixels of it.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.layers.pooling.torch_kernels import cut, fill_cells
from segnet.layers.upsamplers import Upsampler, doubles, resample_nearest


class LearnedUpsampler(Upsampler):
    """Base of the upsamplers that double the size and are cut to the output size."""

    def upsample_2x(self, features: Tensor) -> Tensor:
        """Take ``(N, C, h, w)`` to ``(N, C, 2h, 2w)``."""
        raise NotImplementedError

    def upsample(self, features: Tensor, output_size: tuple[int, int], pool_indices: Tensor | None) -> Tensor:
        """Double, then cut."""
        doubled = self.upsample_2x(features)
        if doubles(features.shape[-2:], output_size):
            return cut(doubled, output_size)
        return resample_nearest(doubled, output_size)


class PixelShuffle(LearnedUpsampler):
    """Convolution to 4C channels, whose values then fill a 2x2 cell each (Shi et al. 2016, sub-pixel convolution).

    ``y[c, 2i + a, 2j + b] = sum over c', u, v of weight[4c + 2a + b, c', u, v] * x[c', i + u - r, j + v - r]``
    with ``r = (kernel_size - 1) / 2`` and zeros outside. The weights start equal within a cell (ICNR, Aitken et al.
    2017), so that the first result has no checkerboard: it is a convolution followed by nearest neighbour.

    Args:
        channels: number of feature channels C.
        kernel_size: odd number of taps along each axis.
        bias: adds a learned constant to each of the 4C values.

    Raises:
        UserError: the kernel size is even.
    """

    def __init__(self, channels: int, kernel_size: int = 3, bias: bool = False) -> None:
        super().__init__(channels)
        _refuse_even("pixel_shuffle", "kernel_size", kernel_size)
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(4 * channels, channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(4 * channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw one kernel an output channel, of a variance that keeps the features', for all four pixels of a cell."""
        kernel = self.weight.new_empty((self.channels, *self.weight.shape[1:]))
        nn.init.normal_(kernel, std=(self.channels * self.kernel_size**2) ** -0.5, generator=generator)
        with torch.no_grad():
            self.weight.copy_(kernel.repeat_interleave(4, dim=0))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def upsample_2x(self, features: Tensor) -> Tensor:
        """Convolve and shuffle."""
        return F.pixel_shuffle(F.conv2d(features, self.weight, self.bias, padding=self.kernel_size // 2), 2)

    def extra_repr(self) -> str:
        """Show channels and kernel."""
        return f"{self.channels}, kernel_size={self.kernel_size}, bias={self.bias is not None}"


class Carafe(LearnedUpsampler):
    """Content-aware reassembly of features (Wang et al. 2019, CARAFE).

    A kernel of k x k weights is predicted for each output pixel from the features around it (1x1 convolution to
    ``compressed_channels``, convolution to 4 k^2 channels, pixel shuffle, softmax over the k^2 weights); the pixel is
    then, in every channel, the weighted mean of the k x k features around the input pixel that it lies in:
    ``y[c, i, j] = sum over u, v of kernel[i, j, u, v] * x[c, i // 2 + u - r, j // 2 + v - r]``, ``r = (k - 1) / 2``,
    zeros outside.

    Args:
        channels: number of feature channels C.
        compressed_channels: channels from which the kernels are predicted (the paper's C_m).
        encoder_kernel: odd taps along each axis of the convolution that predicts them (the paper's k_encoder).
        kernel_size: odd taps along each axis of a predicted kernel (the paper's k_up).

    Raises:
        UserError: a kernel size is even.
    """

    def __init__(
        self, channels: int, compressed_channels: int = 64, encoder_kernel: int = 3, kernel_size: int = 5
    ) -> None:
        super().__init__(channels)
        _refuse_even("carafe", "encoder_kernel", encoder_kernel)
        _refuse_even("carafe", "kernel_size", kernel_size)
        self.kernel_size = kernel_size
        self.compressor = nn.Conv2d(channels, compressed_channels, kernel_size=1)
        self.content_encoder = nn.Conv2d(
            compressed_channels, 4 * kernel_size**2, encoder_kernel, padding=encoder_kernel // 2
        )
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Start close to the plain mean over k x k: Glorot for the compressor, a spread of 0.001 for the encoder."""
        nn.init.xavier_uniform_(self.compressor.weight, generator=generator)
        nn.init.normal_(self.content_encoder.weight, std=0.001, generator=generator)
        nn.init.zeros_(cast(Tensor, self.compressor.bias))
        nn.init.zeros_(cast(Tensor, self.content_encoder.bias))

    def predict_kernels(self, features: Tensor) -> Tensor:
        """Return ``(N, k * k, 4, h, w)``: for each input pixel the kernels of its cell's four output pixels."""
        taps = self.kernel_size**2
        scores: Tensor = self.content_encoder(self.compressor(features))
        kernels: Tensor = scores.unflatten(1, (taps, 4)).softmax(dim=1)
        return kernels

    def upsample_2x(self, features: Tensor) -> Tensor:
        """Predict the kernels and reassemble."""
        if torch.compiler.is_exporting():
            return self._export_2x(features)
        height, width = features.shape[-2:]
        patches = F.unfold(features, self.kernel_size, padding=self.kernel_size // 2)
        patches = patches.unflatten(1, (self.channels, -1))
        cells = torch.einsum("nckp,nksp->ncsp", patches, self.predict_kernels(features).flatten(-2))
        return F.pixel_shuffle(cells.flatten(1, 2).unflatten(-1, (height, width)), 2)

    def _export_2x(self, features: Tensor) -> Tensor:
        """Do the same tap by tap, without torch's own operator for patches."""
        height, width = features.shape[-2:]
        padded = F.pad(features, (self.kernel_size // 2,) * 4)
        rows = [padded.narrow(-2, row, height) for row in range(self.kernel_size)]
        patches = torch.stack([row.narrow(-1, column, width) for row in rows for column in range(self.kernel_size)], 2)
        kernels = self.predict_kernels(features)
        corners = [(patches * kernels[:, None, :, place]).sum(2) for place in range(4)]
        return fill_cells(corners, (2 * height, 2 * width))


class DySample(LearnedUpsampler):
    """Point sampling at learned places (Liu et al. 2023, DySample, "LP" style with a static scope).

    Output pixel (i, j) of group g is the bilinear sample of the input at
    ``(i + 1/2, j + 1/2) / 2 + 0.25 * (dy, dx)``, in input pixels from the outer corner, border pixels repeated.
    The offsets come from one linear layer and a pixel shuffle: ``dx = offset[2g]`` and ``dy = offset[2g + 1]``
    at (i, j) of ``pixel_shuffle(linear(x), 2)``. Offsets of zero give bilinear interpolation; they start close to it.

    Args:
        channels: number of feature channels C.
        groups: sets of channels that share their places; it divides C.

    Raises:
        UserError: the groups do not divide the channels.
    """

    def __init__(self, channels: int, groups: int = 4) -> None:
        super().__init__(channels)
        if groups < 1 or channels % groups:
            raise UserError(
                f"dysample cannot split {channels} channels into {groups} groups: set upsampler.groups to a divisor "
                f"of every width of the decoder"
            )
        self.groups = groups
        self.offset = nn.Conv2d(channels, 2 * groups * 4, kernel_size=1)
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Start close to bilinear interpolation: a spread of 0.001 (the paper's code)."""
        nn.init.normal_(self.offset.weight, std=0.001, generator=generator)
        nn.init.zeros_(cast(Tensor, self.offset.bias))

    def sample_points(self, features: Tensor) -> Tensor:
        """Return where to sample, ``(N * groups, 2h, 2w, 2)``: x, y from -1 to 1 between the outer borders.

        In float32 at least: bfloat16 has eight bits, too few to name a place in a map of 100 pixels.
        """
        height, width = features.shape[-2:]
        offsets = F.pixel_shuffle(self.offset(features), 2)
        offsets = offsets.to(torch.promote_types(offsets.dtype, torch.float32))
        offsets = offsets.unflatten(1, (self.groups, 2)).flatten(0, 1).permute(0, 2, 3, 1)
        rows = (torch.arange(2 * height, device=offsets.device, dtype=offsets.dtype) + 0.5) / 2
        columns = (torch.arange(2 * width, device=offsets.device, dtype=offsets.dtype) + 0.5) / 2
        x = (columns + 0.25 * offsets[..., 0]) * (2 / width) - 1
        y = (rows[:, None] + 0.25 * offsets[..., 1]) * (2 / height) - 1
        return torch.stack([x, y], dim=-1)

    def upsample_2x(self, features: Tensor) -> Tensor:
        """Sample each group at its points."""
        points = self.sample_points(features)
        grouped = features.unflatten(1, (self.groups, -1)).flatten(0, 1).to(points.dtype)
        sampled = F.grid_sample(grouped, points, mode="bilinear", padding_mode="border", align_corners=False)
        joined: Tensor = sampled.unflatten(0, (-1, self.groups)).flatten(1, 2)
        return joined.to(features.dtype)

    def extra_repr(self) -> str:
        """Show channels and groups."""
        return f"{self.channels}, groups={self.groups}"


def _refuse_even(upsampler: str, setting: str, size: int) -> None:
    if size < 1 or size % 2 == 0:
        raise UserError(f"{upsampler} takes an odd upsampler.{setting} (1, 3, 5, ...), not {size}")
