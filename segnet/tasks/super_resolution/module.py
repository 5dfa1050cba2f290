"""The Lightning module of super-resolution: what happens with a batch."""

import torch
from torch import Tensor

from segnet.data.samples import Batch, as_float
from segnet.losses import Mean, loss_means
from segnet.metrics import ImageQuality, quality_sums
from segnet.tasks.super_resolution.low_resolution import low_resolution_pair
from segnet.training.module import TrainingModule
from segnet.training.setup import TrainingSetup


class SuperResolutionModule(TrainingModule):
    """Trains a network on images and their small versions, and scores it after each epoch.

    Args:
        setup: its network takes images in 0..1, ``(N, C, h, w)``, to ``(N, C, factor * h, factor * w)``.
        factor: how many times larger the target is along each axis.
    """

    def __init__(self, setup: TrainingSetup, factor: int) -> None:
        super().__init__(setup)
        self.factor = factor
        self.sums = torch.zeros(3, dtype=torch.float64)

    def batch_loss(self, batch: Batch) -> list[Mean]:
        """Compare the enlarged image with the one that its input was made from."""
        small, target = low_resolution_pair(as_float(batch["image"]), self.factor)
        return loss_means(self.loss, self(small), target)

    def start_scores(self) -> None:
        """Empty the sums."""
        self.sums.zero_()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Add a batch to the sums."""
        small, target = low_resolution_pair(as_float(batch["image"]), self.factor)
        enlarged = self(small)
        self.add_validation_loss(enlarged, target)
        self.sums += quality_sums(enlarged, target)

    def finish_scores(self) -> dict[str, float | Tensor]:
        """Divide the sums by the number of images."""
        return ImageQuality.from_sums(self.sum_over_processes(self.sums))._asdict()
