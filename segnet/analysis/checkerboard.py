"""Checkerboards: patterns that repeat with an operator's stride, and how strong they are.

Source: Odena, Dumoulin, Olah 2016, "Deconvolution and checkerboard artifacts": a transposed convolution whose kernel
size its stride does not divide reaches some output pixels more often than their neighbours, and so does the gradient
of a strided convolution.

The measures take maps ``(N, C, H, W)`` of any origin. Rows and columns beyond a multiple of the stride are left out.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segnet.layers import Upsampler
from segnet.randomness import torch_stream


class NyquistEnergy(NamedTuple):
    """Shares of a map's energy, its mean left out, at the highest frequency along an axis (period 2).

    Attributes:
        rows: alternating from row to row, and not from column to column.
        columns: alternating from column to column, and not from row to row.
        corner: alternating along both: the checkerboard itself.
    """

    rows: float
    columns: float
    corner: float

    @property
    def total(self) -> float:
        """Sum of the three: 1 for a pattern that alternates everywhere, about 1/H + 1/W for white noise."""
        return self.rows + self.columns + self.corner


def overlap_count(operator: Callable[[Tensor], Tensor], channels: int, size: tuple[int, int]) -> Tensor:
    """Count how many input taps reach each output pixel.

    It is the response of the operator, its kernels all ones, to a map that is one in the first channel and zero in the
    others. An operator without kernels answers with the sum of its weights (1 everywhere for
    nearest neighbour and for bilinear interpolation).

    Args:
        operator: takes ``(1, channels, h, w)`` to ``(1, C', H, W)``; a module's kernels are set to one in a copy.
        channels: of its input.
        size: h and w; some margin hides what happens at the border.

    Returns:
        ``(H, W)`` float64.
    """
    if isinstance(operator, nn.Module):
        operator = _with_unit_kernels(operator)
    ones = torch.zeros(1, channels, *size, dtype=torch.float64)
    ones[:, 0] = 1
    with torch.no_grad():
        return operator(ones)[0, 0]


def overlap_unevenness(upsampler: Upsampler, margin: int = 4) -> float:
    """Measure how unevenly an upsampler of 2x covers its output, away from the border.

    Returns:
        ``(max - min) / max`` of :func:`overlap_count`: 0 where every output pixel is reached alike, 1 where some are
        not reached at all. An unpooling reaches one pixel of each window, as a bed of nails does.
    """
    size = 4 * margin
    indices = None
    if upsampler.needs_pool_indices:
        indices = torch.zeros(1, upsampler.channels, size, size, dtype=torch.uint8)
    module = _with_unit_kernels(upsampler)
    counts = overlap_count(lambda ones: module(ones, (2 * size, 2 * size), indices), upsampler.channels, (size, size))
    inside = counts[2 * margin : -2 * margin, 2 * margin : -2 * margin]
    return float((inside.max() - inside.min()) / inside.max())


def nyquist_energy(maps: Tensor) -> NyquistEnergy:
    """Measure the share of period 2 in maps ``(N, C, H, W)``: each map's shares, then their mean over N and C.

    A map without any change has 0 everywhere.
    """
    maps = _whole_cells(maps, 2)
    power = torch.fft.fft2(maps - maps.mean(dim=(-2, -1), keepdim=True)).abs().square()
    total = power.sum(dim=(-2, -1))
    # What rounding leaves of a constant map is no change.
    changes = total > 1e-20 * maps.square().sum(dim=(-2, -1)).clamp_min(1e-300) * maps[0, 0].numel()
    half_height, half_width = maps.shape[-2] // 2, maps.shape[-1] // 2
    corner = power[..., half_height, half_width]
    rows = power[..., half_height, :].sum(dim=-1) - corner
    columns = power[..., :, half_width].sum(dim=-1) - corner
    return NyquistEnergy(*(_mean_ratio(part, total, changes) for part in (rows, columns, corner)))


def phase_spread(maps: Tensor, stride: int = 2) -> float:
    """Measure how far the phases of ``stride`` differ in their means, in units of the map's spread.

    The phase of a pixel is its row and column modulo the stride. For each map of ``(N, C, H, W)`` the largest mean of a
    phase minus the smallest, divided by the standard deviation over all pixels; then the mean over N and C. A
    constant map has 0, a checkerboard of two values and stripes of period 2 have 2, and a bed of nails
    ``4 / sqrt(3)``; a map of independent values has about ``4.1 / sqrt(H W)``.
    """
    maps = _whole_cells(maps, stride)
    height, width = maps.shape[-2:]
    cells = maps.reshape(*maps.shape[:-2], height // stride, stride, width // stride, stride)
    means = cells.mean(dim=(-4, -2)).flatten(-2)
    spread = maps.flatten(2).std(dim=-1, correction=0)
    changes = spread > 1e-10 * maps.abs().amax(dim=(-2, -1))
    return _mean_ratio(means.amax(dim=-1) - means.amin(dim=-1), spread, changes)


def image_gradient(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Run a network in evaluation mode, and find how its logits depend on the image.

    Args:
        network: takes ``(N, C, H, W)`` to logits ``(N, K, H, W)``.
        images: ``(N, C, H, W)``.

    Returns:
        The logits, and the gradient ``(N, C, H, W)`` of each class's logits, summed over the image with one random
        sign a class.
    """
    was_training = network.training
    network.eval()
    with torch.inference_mode(False), torch.enable_grad():
        images = images.detach().clone().requires_grad_(True)
        logits = network(images)
        signs = torch.randint(2, logits.shape[:2], generator=torch_stream("signs")) * 2 - 1
        (gradient,) = torch.autograd.grad((logits * signs.to(logits)[..., None, None]).sum(), images)
    network.train(was_training)
    return logits.detach(), gradient


def checkerboard(network: nn.Module, images: Tensor) -> dict[str, float]:
    """Measure the checkerboards of a network in evaluation mode, at its start or after training.

    Args:
        network: takes ``(N, C, H, W)`` to logits ``(N, K, H, W)``.
        images: ``(N, C, H, W)``, at least 2x2.

    Returns:
        ``logits/nyquist_energy`` and ``logits/phase_spread`` of the logits; ``gradient/nyquist_energy`` and
        ``gradient/phase_spread`` of :func:`image_gradient`; ``upsampler/overlap_unevenness``, the worst of the
        network's upsamplers (0 if none).
    """
    logits, gradient = image_gradient(network, images)
    upsamplers = [module for module in network.modules() if isinstance(module, Upsampler)]
    measures = {}
    for name, maps in (("logits", logits), ("gradient", gradient)):
        maps = maps.double().cpu()
        measures[f"{name}/nyquist_energy"] = nyquist_energy(maps).total
        measures[f"{name}/phase_spread"] = phase_spread(maps)
    measures["upsampler/overlap_unevenness"] = max(map(overlap_unevenness, upsamplers), default=0.0)
    return measures


def _with_unit_kernels(module: nn.Module) -> nn.Module:
    module = copy.deepcopy(module).double().cpu().eval().requires_grad_(False)
    for parameter in module.parameters():
        parameter.fill_(1.0 if parameter.dim() > 1 else 0.0)
    return module


def _whole_cells(maps: Tensor, stride: int) -> Tensor:
    height, width = (size // stride * stride for size in maps.shape[-2:])
    if not height or not width:
        raise ValueError(f"maps of {tuple(maps.shape[-2:])} pixels are smaller than the stride of {stride}")
    return maps[..., :height, :width].double()


def _mean_ratio(part: Tensor, whole: Tensor, valid: Tensor) -> float:
    return float((part * valid / torch.where(valid, whole, torch.ones_like(whole))).mean())
