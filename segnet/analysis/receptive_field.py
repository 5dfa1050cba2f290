"""The theoretical receptive field (the notes' "field of regard"): which image pixels can reach an output pixel.

It is read from the network itself: the gradient of an output pixel in :func:`segnet.analysis.neutral.neutral_copy` is
above zero exactly on the field. Height and width are found one after the other, on strips of the image, since
every operator here reaches a rectangle.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segnet.analysis.neutral import Neutral, neutral_copy
from segnet.analysis.trace import trace

LONGEST_STRIP = 8192
"""Image pixels; a field that is longer counts as the whole image."""


@dataclass(frozen=True)
class ReceptiveField:
    """The field of one stage's output, in image pixels.

    Attributes:
        stage: name of the stage.
        height: of the field, for the output pixel that sees most rows (after an upsampler, neighbours differ).
        width: the same for columns. None, for both: longer than 8192 pixels.
        rows: first and last row of the field of the centre output pixel, relative to the image row ``i * stride`` when
            it is the stage's row ``i``.
        columns: the same for columns.
        whole_image: whether it also sees the mean of the whole image, through a global pooling; the sizes leave
            this path out.
    """

    stage: str
    height: int | None
    width: int | None
    rows: tuple[int, int]
    columns: tuple[int, int]
    whole_image: bool


def receptive_fields(network: nn.Module, in_channels: int | None = None) -> list[ReceptiveField]:
    """Compute the theoretical receptive field of every stage's output, the last one being the network's.

    Norms are left out (the statistics of a group or instance norm reach over the whole map), and an operator that
    samples at learned places is taken where it starts.

    Args:
        network: any module that takes ``(N, C, H, W)`` and, if it is no segmentation network, has children that run
            one after the other; these are then the stages.
        in_channels: C; None: what the first convolution takes.
    """
    network_copy = neutral_copy(network)
    channels = in_channels or _image_channels(network)
    rows = _measure_axis(network_copy, channels, axis=2)
    columns = _measure_axis(network_copy, channels, axis=3)
    return [
        ReceptiveField(name, row.longest, column.longest, row.centre, column.centre, row.whole or column.whole)
        for (name, row), column in zip(rows.items(), columns.values(), strict=True)
    ]


@dataclass(frozen=True)
class _Extent:
    """The field of one stage along one axis."""

    longest: int | None
    centre: tuple[int, int]
    whole: bool


def _image_channels(network: nn.Module) -> int:
    convolution = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    return convolution.in_channels


def _measure_axis(network: nn.Module, channels: int, axis: int) -> dict[str, _Extent]:
    """Lengthen the strip until the field of every stage ends inside it."""
    length = 128
    while True:
        supports, neutral = _supports(network, channels, axis, length, cut=True)
        inside = {name: support.ends_inside(length) for name, support in supports.items()}
        # A path through the gaps of an atrous convolution may leave a short strip without touching its ends.
        if length >= LONGEST_STRIP or (all(inside.values()) and neutral.reach <= length):
            break
        length *= 2
    pooled = _supports(network, channels, axis, length, cut=False)[0] if neutral.has_global_pools else supports
    extents = {}
    for name, support in supports.items():
        longest = max(last - first + 1 for first, last in support.ranges) if inside[name] else None
        first, last = support.ranges[0]
        # A path through a pooling over the whole strip shows as a field that goes beyond that without it.
        whole = inside[name] and pooled[name].ranges != support.ranges
        extents[name] = _Extent(longest, (first - support.position, last - support.position), whole)
    return extents


@dataclass(frozen=True)
class _Support:
    """First and last place of the strip that reaches each of some output pixels, neighbours from the centre on."""

    ranges: list[tuple[int, int]]
    position: int

    def ends_inside(self, length: int) -> bool:
        """Whether no field touches the ends of the strip."""
        return all(first > 0 and last < length - 1 for first, last in self.ranges)


def _supports(
    network: nn.Module, channels: int, axis: int, length: int, cut: bool
) -> tuple[dict[str, _Support], Neutral]:
    strip, outputs, neutral = _run_strip(network, channels, axis, length, cut)
    strides = {name: max(1, round(length / output.shape[axis])) for name, output in outputs.items()}
    # What neighbours see repeats with the coarsest stride: look at so many that they cover it once.
    period = max((stride for stride in strides.values() if stride < length), default=1)
    supports = {}
    for name, output in outputs.items():
        size = output.shape[axis]
        count = min(size, -(-period // strides[name]))
        # The centre pixel is aligned with the coarsest stage, so that the strip's length does not matter.
        start = min(size // 2 // count * count, size - count)
        ranges = []
        for index in range(start, start + count):
            (gradient,) = torch.autograd.grad(
                output.select(axis, index).sum(), strip, retain_graph=True, materialize_grads=True
            )
            ranges.append(_ends((gradient != 0).transpose(0, axis).flatten(1).any(dim=1)))
        supports[name] = _Support(ranges, start * strides[name])
    return supports, neutral


def _run_strip(
    network: nn.Module, channels: int, axis: int, length: int, cut: bool
) -> tuple[Tensor, dict[str, Tensor], Neutral]:
    """Run a strip of ones through the network, as narrow as it takes (unpadded convolutions want some width)."""
    width = 1
    while True:
        shape = [1, channels, width, width]
        shape[axis] = length
        strip = torch.ones(shape, dtype=torch.float64, requires_grad=True)
        try:
            with trace(network) as seen, Neutral(cut, axis, length) as neutral:
                network(strip)
        except RuntimeError:
            if width >= length:
                raise
            width *= 2
            continue
        maps = {
            stage.name: output for stage, output in zip(seen.stages, seen.outputs, strict=True) if output.dim() == 4
        }
        return strip, maps, neutral


def _ends(line: Tensor) -> tuple[int, int]:
    """First and last place that is reached; an output pixel that nothing reaches (between nails) has none."""
    reached = line.nonzero()
    return (int(reached[0]), int(reached[-1])) if len(reached) else (1, 0)
