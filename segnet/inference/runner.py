"""Runs a network on its device, in its precision, whole or in tiles, and flipped if asked for."""

import logging
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn

from segnet.analysis.cost import activation_memory
from segnet.analysis.profile import precision_context
from segnet.analysis.receptive_field import receptive_fields
from segnet.data.samples import as_float
from segnet.devices import choose_precision
from segnet.errors import UserError, require
from segnet.inference.averaging import Averaged
from segnet.inference.tiling import plan_tiles, run_in_tiles

log = logging.getLogger(__name__)

SMALL = 256 * 256
"""Pixels that are run as they are, without asking what they cost."""


class Runner:
    """See :data:`segnet.training.task.Forward`.

    Args:
        network: in evaluation mode, on its device; its output is ``factor`` times as large as its input.
        channels: of an image.
        precision: "auto", "32-true", "bf16-mixed" or "16-mixed".
        memory_gib: about how much memory the network's features may take; a larger image is run in tiles, which take
            about as much with their output.
        flips: average the output over the image and its mirror images: "none", "horizontal" or "both".
        scales: average the output over the image resized by these factors.

    Raises:
        UserError: a setting has no such value.
    """

    def __init__(
        self,
        network: nn.Module,
        channels: int,
        precision: str = "auto",
        memory_gib: float = 0.5,
        flips: str = "none",
        scales: Sequence[float] = (1.0,),
    ) -> None:
        require(0 < memory_gib < math.inf, "memory_gib", memory_gib, "a number above 0")
        self.network, self.channels = network, channels
        self.averaged = Averaged(network, flips, scales)
        self.device = next(network.parameters()).device
        self.precision = choose_precision(precision, self.device.type)
        require(
            self.precision in ("32-true", "bf16-mixed", "16-mixed"),
            "precision",
            precision,
            "one of auto, 32-true, bf16-mixed, 16-mixed",
        )
        self.memory = int(memory_gib * 2**30)

    def __call__(self, images: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Run the network on images ``(N, C, H, W)``, uint8 or floats in 0..1, and yield its output in bands."""
        count, _, height, width = images.shape
        if height * width <= SMALL or count * height * width * self.pixel_bytes <= self.memory:
            yield 0, self._run(images)
            return
        side = self._tile_side(count, width)
        tiles, is_exact = plan_tiles(side, self.reach, self.stride, self.factor)
        if height <= tiles.side and width <= tiles.side:
            yield 0, self._run(images)
            return
        if not is_exact:
            is_resized = self.averaged.scales != (1.0,)
            why = "each resized alone" if is_resized else "which is too small for the network's receptive field"
            log.warning(
                "%dx%d pixels are predicted in tiles of %d, %s: the result differs from that of the whole image, which "
                "memory_gib=%.1f would allow",
                *(width, height, tiles.side, why, count * height * width * self.pixel_bytes / 2**30 + 0.05),
            )
        yield from run_in_tiles(self._run, images, tiles)

    def _tile_side(self, count: int, width: int) -> int:
        """Return the side of tiles whose features fit the memory, beside the output of two rows of tiles."""
        channels = int(getattr(self.network, "num_classes", self.channels))
        rows = 2 * 4 * channels * self.factor**2 * width * count  # bytes for each row of input pixels
        features = count * self.pixel_bytes
        return int((math.sqrt(rows**2 + 4 * features * self.memory) - rows) / (2 * features))

    def batch_size(self, height: int, width: int, largest: int) -> int:
        """Return how many images of a size fit the memory at once, 1 at least and ``largest`` at most."""
        if height * width * largest <= SMALL:
            return largest
        return max(1, min(largest, int(self.memory // (height * width * self.pixel_bytes))))

    @cached_property
    def pixel_bytes(self) -> float:
        """Bytes that the features of one input pixel take: those of a training step, more than prediction holds."""
        with torch.inference_mode(False):
            probe = torch.zeros(2, self.channels, 64, 64, device=self.device)
            kept = activation_memory(self.network, probe).values()
        return sum(map(sum, kept)) / (2 * 64 * 64) * max(1.0, *self.averaged.scales) ** 2

    @cached_property
    def reach(self) -> int | None:
        """How far the receptive field reaches from a pixel, input pixels; None: farther than 8192, or everywhere."""
        with torch.inference_mode(False):
            field = receptive_fields(self.network, self.channels)[-1]
        if field.height is None or field.width is None or field.whole_image:
            return None
        if self.averaged.scales != (1.0,):
            return None  # a tile that is resized for itself is not that part of the resized image
        return max(field.height, field.width) // 2 + self.stride

    @cached_property
    def stride(self) -> int:
        """Input pixels that tiles are aligned to."""
        strides = [
            max(cast(Sequence[int], module.strides)) for module in self.network.modules() if hasattr(module, "strides")
        ]
        if not strides:
            raise UserError(
                "the network does not say its strides, so that no tiles can be cut: set a larger memory_gib"
            )
        return int(max(strides))

    @property
    def factor(self) -> int:
        """Output pixels to one input pixel along each axis."""
        return int(getattr(self.network, "factor", 1))

    def _run(self, images: Tensor) -> Tensor:
        values = as_float(images.to(self.device))
        with precision_context(self.precision, self.device.type):
            output: Tensor = self.averaged(values)
        return output.float()
