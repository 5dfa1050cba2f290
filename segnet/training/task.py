"""The Lightning module of segmentation: what happens with a batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from segnet.data.dataset import Sample
from segnet.inference import as_float, resize_logits
from segnet.metrics import boundary_f1_counts, confusion_matrix, image_f1, scores
from segnet.training.module import TrainingModule

BOUNDARY_UNITS = 2**40


class SegmentationTask(TrainingModule):
    """Trains a network on pixel labels and scores it after each epoch.

    Args:
        network: takes images in 0..1, ``(N, C, H, W)``, to logits ``(N, K, H, W)``.
        loss: takes logits and labels to a scalar.
        optimizer: factory of the optimiser, called with parameter groups.
        scheduler: factory of the schedule, called with the optimiser and the number of steps.
        classes: names of the classes 0..K-1.
        ignore_index: label that does not count.
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
        classes: list[str],
        ignore_index: int,
        sample_ids: list[str],
        channels_last: bool = True,
        compile_network: bool = False,
    ) -> None:
        super().__init__(network, loss, optimizer, scheduler, sample_ids, channels_last, compile_network)
        self.classes, self.ignore_index = classes, ignore_index
        self.confusion: Tensor | None = None
        self.boundary: Tensor | None = None  # of image_f1, in units of 2^-40: integers add up the same in any order

    def batch_loss(self, batch: Sample) -> Tensor:
        """Compare logits with labels."""
        return self.loss(self(as_float(batch["image"])), batch["label"])

    def start_scores(self) -> None:
        """Empty the confusion matrix and the sums of boundary F1."""
        self.boundary = torch.zeros(2, dtype=torch.int64, device=self.device)
        self.confusion = torch.zeros(len(self.classes), len(self.classes), dtype=torch.int64, device=self.device)

    def validation_step(self, batch: Sample, batch_index: int) -> None:
        """Add a batch to the confusion matrix."""
        labels = batch["label"]
        logits = resize_logits(self(as_float(batch["image"])), labels.shape[-2:])
        loss = self.loss(logits, labels)
        self.log("val/loss", loss, on_epoch=True, batch_size=len(labels), sync_dist=True)
        predictions, facts = logits.argmax(1), (len(self.classes), self.ignore_index)
        self.confusion += confusion_matrix(predictions, labels, *facts)
        images = image_f1(boundary_f1_counts(predictions, labels, *facts).cpu().numpy())
        self.boundary += torch.from_numpy(images * BOUNDARY_UNITS).round().long().sum((0, 2)).to(self.device)

    def finish_scores(self) -> dict[str, Any]:
        """Score the confusion matrix, and take the mean of boundary F1."""
        result = scores(self.sum_over_processes(self.confusion))
        boundary = self.sum_over_processes(self.boundary).double()
        return {
            "miou": result.miou,
            "pixel_accuracy": result.pixel_accuracy,
            "boundary_f1": (boundary[0] / boundary[1]).item(),
            **{f"iou/{name}": value for name, value in zip(self.classes, result.iou, strict=True)},
        }
