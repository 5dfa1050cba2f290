"""Runs a network on its device, in its precision, whole or in tiles, and flipped if asked for."""

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
from segnet.inference.budget import MemoryBudget


class Runner(MemoryBudget):
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
        super().__init__(memory_gib)
        self.network, self.channels = network, channels
        self.averaged = Averaged(network, flips, scales)
        if self.averaged.scales != (1.0,):
            self.inexact = "each resized alone"
        self.device = next(network.parameters()).device
        self.precision = choose_precision(precision, self.device.type)
        require(
            self.precision in ("32-true", "bf16-mixed", "16-mixed"),
            "precision",
            precision,
            "one of auto, 32-true, bf16-mixed, 16-mixed",
        )

    def __call__(self, images: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Run the network on images ``(N, C, H, W)``, uint8 or floats in 0..1, and yield its output in bands."""
        return self.bands(self._run, images)

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

    @property
    def outputs(self) -> int:
        """Channels of the output."""
        return int(getattr(self.network, "num_classes", self.channels))

    def _run(self, images: Tensor) -> Tensor:
        values = as_float(images.to(self.device))
        with precision_context(self.precision, self.device.type):
            output: Tensor = self.averaged(values)
        return output.float()
