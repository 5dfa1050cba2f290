"""Running a network over an image in tiles, so that memory does not grow with the image.

Neighbouring tiles overlap. Pixels that are nearer to a tile's inner border than the network's receptive field reaches
would see the padding there; as far as ``margin`` they do not count, and over the ``ramp`` behind it two tiles
are blended linearly. Where the margin covers the field, the result is that of the whole image, up to rounding: tiles
start at multiples of the network's stride, so that every pooling finds the same cells. (For an image whose sides
are no multiples of the stride, bilinear and bicubic upsamplers stretch the whole by a hair, and a tile does not.)
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:  # an exported network is run in tiles without torch
    from torch import Tensor

Array = TypeVar("Array", "Tensor", np.ndarray)


class Tiles(NamedTuple):
    """How an image is cut.

    Attributes:
        side: of a tile, input pixels, a multiple of ``stride``.
        margin: pixels along an inner border that do not count.
        ramp: pixels behind them over which a tile is blended with its neighbour.
        stride: of the network; tiles start at multiples of it.
        factor: output pixels to one input pixel along each axis.
    """

    side: int
    margin: int
    ramp: int
    stride: int
    factor: int = 1

    @property
    def step(self) -> int:
        """Input pixels from one tile's start to the next, a multiple of the stride."""
        free = self.side - 2 * self.margin - self.ramp
        return free // self.stride * self.stride


def plan_tiles(side: int, reach: int | None, stride: int, factor: int = 1) -> tuple[Tiles, bool]:
    """Choose margin and ramp for tiles of about ``side`` input pixels.

    Args:
        side: largest side of a tile; it becomes a multiple of the stride, and 8 strides at least.
        reach: how far the receptive field reaches from a pixel; None: farther than can be said.
        stride: of the network.
        factor: output pixels to one input pixel.

    Returns:
        The plan, and whether the field fits the overlap, so that tiles give what the whole image gives.
    """
    side = max(8, side // stride) * stride
    ramp = max(1, min(16, side // 16))
    largest = side // 4
    if reach is not None and reach <= largest:
        return Tiles(side, reach, ramp, stride, factor), True
    return Tiles(side, largest // 2, largest, stride, factor), False


def starts(length: int, tiles: Tiles) -> list[int]:
    """Return where tiles start along an axis; the last one ends at the image's end."""
    found = [0]
    while found[-1] + tiles.side < length:
        found.append(found[-1] + tiles.step)
    return found


def run_in_tiles(forward: Callable[[Array], Array], images: Array, tiles: Tiles) -> Iterator[tuple[int, Array]]:
    """Run a network over ``(N, C, H, W)`` in tiles.

    Args:
        forward: takes a tile ``(N, C, h, w)`` to ``(N, K, factor * h, factor * w)``.
        images: of any type that ``forward`` takes.
        tiles: the plan.

    Yields:
        The first row and the rows ``(N, K, rows, factor * W)`` of bands that are finished, from top to bottom, on the
        device of the result.
    """
    height, width = images.shape[-2:]
    factor = tiles.factor
    tops = starts(height, tiles)
    kept: Array | None = None  # rows of the last band that the next one is blended into, weighted
    for place, top in enumerate(tops):
        bottom = min(height, top + tiles.side)
        band: Array = _run_row(forward, images[:, :, top:bottom], tiles, width)
        band *= _like(band, _weights(bottom - top, place > 0, place + 1 < len(tops), tiles))[:, None]
        if kept is not None:
            band[:, :, : kept.shape[2]] += kept
        first = 0 if place == 0 else factor * tiles.margin
        if place + 1 == len(tops):
            yield factor * top + first, band[:, :, first:]
            return
        # The next tile counts from here on.
        end = factor * (tops[place + 1] + tiles.margin - top)
        seen = factor * tiles.margin
        kept = _zeros(band, (*band.shape[:2], seen + band.shape[2] - end, band.shape[3]))
        kept[:, :, seen:] = band[:, :, end:]
        yield factor * top + first, band[:, :, first:end]


def _run_row(forward: Callable[[Array], Array], rows: Array, tiles: Tiles, width: int) -> Array:
    """Run the tiles of one row of them and blend them: ``(N, K, rows, factor * width)``."""
    lefts: list[int] = starts(width, tiles)
    joined: Array | None = None
    for place, left in enumerate(lefts):
        right = min(width, left + tiles.side)
        output: Array = forward(rows[..., left:right])
        if joined is None:
            joined = _zeros(output, (*output.shape[:3], tiles.factor * width))
        weights = _like(output, _weights(right - left, place > 0, place + 1 < len(lefts), tiles))
        joined[..., tiles.factor * left : tiles.factor * right] += output * weights
    assert joined is not None
    return joined


def _zeros(like: Array, shape: tuple[int, ...]) -> Array:
    """Return zeros of the kind, and on the device, of another array."""
    return np.zeros(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_zeros(shape)


def _like(array: Array, weights: np.ndarray) -> Array:
    """Bring weights to the kind, and the device, of an array."""
    return weights.astype(array.dtype) if isinstance(array, np.ndarray) else array.new_tensor(weights)


def _weights(length: int, has_before: bool, has_after: bool, tiles: Tiles) -> np.ndarray:
    """Return the weight of each output pixel of a tile along one axis; those of neighbours add up to 1."""
    factor, step = tiles.factor, tiles.step
    weights = np.ones(factor * length, np.float32)
    margin, side = factor * tiles.margin, factor * tiles.side
    ramp = factor * (tiles.side - step - 2 * tiles.margin)  # all of the overlap that both may see
    rising = (np.arange(ramp, dtype=np.float32) + 0.5) / ramp
    if has_before:
        weights[:margin] = 0
        weights[margin : margin + ramp] = rising[: max(0, len(weights) - margin)]
    if has_after:  # such a tile has its whole length
        weights[side - margin - ramp : side - margin] *= 1 - rising
        weights[side - margin :] = 0
    return weights
