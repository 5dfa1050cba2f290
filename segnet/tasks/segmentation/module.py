"""The Lightning module of segmentation: what happens with a batch."""

import torch
from torch import Tensor

from segnet.data.labels import Labels
from segnet.data.samples import Batch, as_float
from segnet.losses import Mean, loss_means
from segnet.metrics import boundary_f1_counts, confusion_matrix, image_f1, scores
from segnet.tasks.segmentation.auxiliary import AuxiliaryLoss
from segnet.tasks.segmentation.label_scores import label_scores
from segnet.tasks.segmentation.prediction import resize_logits
from segnet.training.module import TrainingModule
from segnet.training.setup import TrainingSetup

BOUNDARY_UNITS = 2**40


class SegmentationModule(TrainingModule):
    """Trains a network on pixel labels and scores it after each epoch.

    Args:
        setup: its network takes images in 0..1, ``(N, C, H, W)``, to logits ``(N, K, H, W)``.
        classes: names of the classes 0..K-1.
        ignore_index: label that does not count.
        auxiliary: takes labels to a further training loss, see
            :class:`segnet.tasks.segmentation.auxiliary.AuxiliaryLoss`; None: none.
        labels: that the classes hold, to be scored too; None: none.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        classes: list[str],
        ignore_index: int,
        auxiliary: AuxiliaryLoss | None = None,
        labels: Labels | None = None,
    ) -> None:
        super().__init__(setup)
        self.labels = labels
        self.classes, self.ignore_index = classes, ignore_index
        self.auxiliary = auxiliary
        self.confusion = torch.zeros(len(classes), len(classes), dtype=torch.int64)
        self.boundary = torch.zeros(
            2, dtype=torch.int64
        )  # of image_f1, in units of 2^-40: integers add up the same in any order

    def batch_loss(self, batch: Batch) -> list[Mean]:
        """Compare logits with labels."""
        means = loss_means(self.loss, self(as_float(batch["image"])), batch["label"])
        return means if self.auxiliary is None else means + self.auxiliary.means(batch["label"])

    def start_scores(self) -> None:
        """Empty the confusion matrix and the sums of boundary F1."""
        self.boundary = torch.zeros_like(self.boundary, device=self.device)
        self.confusion = torch.zeros_like(self.confusion, device=self.device)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Add a batch to the confusion matrix."""
        labels = batch["label"]
        logits = resize_logits(self(as_float(batch["image"])), labels.shape[-2:])
        self.add_validation_loss(logits, labels)
        predictions, facts = logits.argmax(1), (len(self.classes), self.ignore_index)
        self.confusion += confusion_matrix(predictions, labels, *facts)
        images = image_f1(boundary_f1_counts(predictions, labels, *facts).cpu().numpy())
        self.boundary += torch.from_numpy(images * BOUNDARY_UNITS).round().long().sum((0, 2)).to(self.device)

    def finish_scores(self) -> dict[str, float | Tensor]:
        """Score the confusion matrix, and take the mean of boundary F1."""
        confusion = self.sum_over_processes(self.confusion)
        result = scores(confusion, self.ignore_index)
        boundary = self.sum_over_processes(self.boundary).double()
        return {
            "miou": result.miou,
            "pixel_accuracy": result.pixel_accuracy,
            "boundary_f1": (boundary[0] / boundary[1]).item(),
            **{f"iou/{name}": value for name, value in zip(self.classes, result.iou, strict=True)},
            **({} if self.labels is None else label_scores(self.labels, confusion.cpu().numpy())),
        }
