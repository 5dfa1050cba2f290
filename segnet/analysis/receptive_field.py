"""The theoretical receptive field (the notes' "field of regard"): which image pixels can reach an output pixel.

It is read from the network itself: a change of the image changes exactly those outputs of
:func:`segnet.analysis.neutral.neutral_copy` whose field it touches. Height and width are found one after the other,
on strips of the image, since every operator here reaches a rectangle.
"""

import warnings
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

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
    samples at learned positions is taken where it starts.

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
    densities, reach = _densities(network, channels, axis)
    period = lcm(*(density.denominator for density in densities.values()))
    length = 2 * period * -(-64 // period)
    while True:
        # A path through the gaps of an atrous convolution may leave a short strip without touching its ends.
        if reach <= length or length >= LONGEST_STRIP:
            extents = _measure_strip(network, channels, axis, length, densities, period)
            if length >= LONGEST_STRIP or all(extent.longest is not None for extent in extents.values()):
                return extents
        length *= 2


def _densities(network: nn.Module, channels: int, axis: int) -> tuple[dict[str, Fraction], int]:
    """Find how many pixels of each stage's output there are to one of the image, and :class:`Neutral`'s reach.

    Two lengths tell it also of convolutions without padding; what does not grow with the image is left out.
    """
    length = 960  # a multiple of all strides to be expected
    short, _ = _run_strip(network, torch.zeros(1, channels, length), axis, cut=True)
    long, neutral = _run_strip(network, torch.zeros(1, channels, 2 * length), axis, cut=True)
    growths = {name: long[name].shape[1] - reached.shape[1] for name, reached in short.items()}
    return {name: Fraction(growth, length) for name, growth in growths.items() if growth}, neutral.reach


def _measure_strip(
    network: nn.Module, channels: int, axis: int, length: int, densities: dict[str, Fraction], period: int
) -> dict[str, _Extent]:
    """Measure all stages at once.

    The image changes from some row on, and then up to some row, for as many rows in turn as the pattern of the fields
    has before it repeats; of the pixels of one phase, the first that notices ends its field there.
    """
    rows = torch.arange(length)
    edges = length // 2 + torch.arange(period)
    changes = torch.cat([rows >= edges[:, None], rows <= edges[:, None]]).float()
    strip = changes[:, None].expand(-1, channels, -1)
    reached, neutral = _run_strip(network, strip, axis, cut=True)
    uncut = _run_strip(network, strip[[0, period]], axis, cut=False)[0] if neutral.has_global_pools else None
    extents = {}
    for name, density in densities.items():
        phases = range(int(period * density))
        fields = [_field_of_phase(reached[name][:, phase :: len(phases)], edges, period) for phase in phases]
        inside = [field for field in fields if field is not None]
        ends = len(inside) == len(fields)
        longest = max(last - first + 1 for first, last in inside) if ends else None
        # Pooling over the whole strip shows as pixels that notice a change far away.
        whole = ends and uncut is not None and not torch.equal(reached[name][[0, period]], uncut[name])
        extents[name] = _Extent(longest, fields[0] or (0, 0), whole)
    return extents


def _field_of_phase(reached: Tensor, edges: Tensor, period: int) -> tuple[int, int] | None:
    """Find first and last position of the field of this phase's pixel 0; ``(1, 0)`` if nothing reaches it.

    Args:
        reached: ``(2 * period, pixels)``: which pixels notice a change from each edge on, then up to each edge.
        edges: ``(period)`` positions.
        period: positions from one pixel of this phase to the next.

    Returns:
        The positions, or None where the field does not end inside the strip.
    """
    below, above = reached[:period], reached[period:]
    if not reached.any():
        return 1, 0
    count = reached.shape[1]
    # Far below the change no pixel may notice it, nor far above.
    if below[:, 0].any() or above[:, -1].any() or not below.any(dim=1).all() or not above.any(dim=1).all():
        return None
    pixels = torch.arange(count)
    lowest = torch.where(below, pixels, count).amin(dim=1)
    highest = torch.where(above, pixels, -1).amax(dim=1)
    return int((edges - period * highest).amin()), int((edges - period * lowest).amax())


def _run_strip(network: nn.Module, change: Tensor, axis: int, cut: bool) -> tuple[dict[str, Tensor], Neutral]:
    """Run strips of ones through the network, as narrow as it takes (unpadded convolutions need some width).

    Args:
        network: a neutral copy.
        change: ``(N, C, length)``: which values of each strip change.
        axis: 2 for rows, 3 for columns.
        cut: see :class:`Neutral`.

    Returns:
        For each stage ``(N, pixels)``: which pixels of its output notice the change; and the mode in which it ran.
    """
    length, width = change.shape[2], 1
    while True:
        changes = change.unsqueeze(5 - axis).repeat_interleave(width, dim=5 - axis)
        with torch.no_grad(), forward_ad.dual_level():
            with warnings.catch_warnings():  # torch warns of its own use of torch.jit
                warnings.simplefilter("ignore", FutureWarning)
                strips = forward_ad.make_dual(torch.ones_like(changes), changes)
            try:
                with trace(network, notes_operators=False) as seen, Neutral(cut, axis, length) as neutral:
                    network(strips)
            except RuntimeError:
                if width >= length:
                    raise
                width *= 2
                continue
            pairs = zip(seen.stages, seen.outputs, strict=True)
            noticed = {
                stage.name: _noticed(output, axis)
                for stage, output in pairs
                if isinstance(output, Tensor) and output.dim() == 4
            }
            return noticed, neutral


def _noticed(output: Tensor, axis: int) -> Tensor:
    primal, tangent = forward_ad.unpack_dual(output)
    if tangent is None:
        return torch.zeros(primal.shape[0], primal.shape[axis], dtype=torch.bool)
    noticed: Tensor = (tangent != 0).transpose(1, axis).flatten(2).any(dim=2)
    return noticed
