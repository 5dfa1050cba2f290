"""How much of an image is run at once: whole, or in tiles that fit a memory budget. Without torch."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from segnet.errors import require
from segnet.inference.tiling import Array, plan_tiles, run_in_tiles

log = logging.getLogger(__name__)

SMALL = 256 * 256
"""Pixels that are run as they are, without asking what they cost."""


class MemoryBudget(ABC):
    """Cuts images into tiles where their features would take more than a budget.

    Args:
        memory_gib: about how much memory the network's features may take.

    Raises:
        UserError: it has no such value.
    """

    inexact = "which is too small for the network's receptive field"
    """Why tiles may not give the output of the whole image."""

    def __init__(self, memory_gib: float) -> None:
        require(0 < memory_gib < math.inf, "memory_gib", memory_gib, "a number above 0")
        self.memory = int(memory_gib * 2**30)

    @property
    @abstractmethod
    def pixel_bytes(self) -> float:
        """Bytes that the features of one input pixel take: those of a training step, more than prediction holds."""

    @property
    @abstractmethod
    def reach(self) -> int | None:
        """How far the receptive field reaches from a pixel, input pixels; None: farther than 8192, or everywhere."""

    @property
    @abstractmethod
    def stride(self) -> int:
        """Input pixels that tiles are aligned to."""

    @property
    @abstractmethod
    def factor(self) -> int:
        """Output pixels to one input pixel along each axis."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Channels of the output."""

    def bands(self, run: Callable[[Array], Array], images: Array) -> Iterator[tuple[int, Array]]:
        """Run images ``(N, C, H, W)``, whole or in tiles, and yield the output in bands of rows."""
        count, _, height, width = images.shape
        if height * width <= SMALL or count * height * width * self.pixel_bytes <= self.memory:
            yield 0, run(images)
            return
        tiles, is_exact = plan_tiles(self._tile_side(count, width), self.reach, self.stride, self.factor)
        if height <= tiles.side and width <= tiles.side:
            yield 0, run(images)
            return
        if not is_exact:
            log.warning(
                "%dx%d pixels are predicted in tiles of %d, %s: the result differs from that of the whole image, which "
                "memory_gib=%.1f would allow",
                *(width, height, tiles.side, self.inexact, count * height * width * self.pixel_bytes / 2**30 + 0.05),
            )
        yield from run_in_tiles(run, images, tiles)

    def _tile_side(self, count: int, width: int) -> int:
        """Return the side of tiles whose features fit the memory, beside the output of two rows of tiles."""
        rows = 2 * 4 * self.outputs * self.factor**2 * width * count  # bytes for each row of input pixels
        features = count * self.pixel_bytes
        return int((math.sqrt(rows**2 + 4 * features * self.memory) - rows) / (2 * features))

    def batch_size(self, height: int, width: int, largest: int) -> int:
        """Return how many images of a size fit the memory at once, 1 at least and ``largest`` at most."""
        if height * width * largest <= SMALL:
            return largest
        return max(1, min(largest, int(self.memory // (height * width * self.pixel_bytes))))
