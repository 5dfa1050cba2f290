"""The Lightning module of super-resolution: what happens with a batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from segnet.data.dataset import Sample
from segnet.data.low_resolution import low_resolution_pair
from segnet.inference import as_float
from segnet.metrics import ImageQuality, quality_sums
from segnet.training.module import TrainingModule


class SuperResolutionTask(TrainingModule):
    """Trains a network on images and their small versions, and scores it after each epoch.

    Args:
        network: takes images in 0..1, ``(N, C, h, w)``, to ``(N, C, factor * h, factor * w)``.
        loss: takes two images to a scalar.
        optimizer: factory of the optimiser, called with parameter groups.
        scheduler: factory of the schedule, called with the optimiser and the number of steps.
        factor: how many times larger the target is along each axis.
        sample_ids: names of the training samples, for messages.
        channels_last: feed the network in the channels-last memory layout.
        compile_network: run the training forward pass through ``torch.compile``.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler],
        factor: int,
        sample_ids: list[str],
        channels_last: bool = True,
        compile_network: bool = False,
    ) -> None:
        super().__init__(network, loss, optimizer, scheduler, sample_ids, channels_last, compile_network)
        self.factor = factor
        self.sums: Tensor | None = None

    def batch_loss(self, batch: Sample) -> Tensor:
        """Compare the enlarged image with the one that its input was made from."""
        small, target = low_resolution_pair(as_float(batch["image"]), self.factor)
        return self.loss(self(small), target)

    def start_scores(self) -> None:
        """Empty the sums."""
        self.sums = torch.zeros(3, dtype=torch.float64)

    def validation_step(self, batch: Sample, batch_index: int) -> None:
        """Add a batch to the sums."""
        small, target = low_resolution_pair(as_float(batch["image"]), self.factor)
        enlarged = self(small)
        loss = self.loss(enlarged, target)
        self.log("val/loss", loss, on_epoch=True, batch_size=len(target), sync_dist=True)
        self.sums += quality_sums(enlarged, target)

    def finish_scores(self) -> dict[str, Any]:
        """Divide the sums by the number of images."""
        return ImageQuality.from_sums(self.sum_over_processes(self.sums))._asdict()
