"""Scores of a split: of a network, and of the colour lookup that it must beat."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from segnet.data import DataModule, sample_groups
from segnet.metrics import (
    TRIMAP_WIDTHS,
    ImageScores,
    Scores,
    boundary_f1_counts,
    boundary_iou_counts,
    confusion_matrix,
    image_confusions,
    scores,
    small_object_counts,
    trimap_confusions,
)
from segnet.tasks.segmentation.colour_lookup import ColourLookup
from segnet.tasks.segmentation.prediction import predict_batches

COUNTING: dict[str, Callable[[Tensor, Tensor, int, int], Tensor | np.ndarray]] = {
    "confusions": image_confusions,
    "boundary_f1": boundary_f1_counts,
    "boundary_iou": boundary_iou_counts,
    "trimap": trimap_confusions,
    "small_objects": small_object_counts,
}


def score_confusion(network: nn.Module, data: DataModule, split: str) -> Tensor:
    """Score a network on "train", "val" or "test" without augmentation.

    Returns:
        The confusion matrix ``(K, K)`` int64, on the CPU; see :func:`segnet.metrics.scores`.
    """
    num_classes = len(data.classes)
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for predictions, labels in predict_batches(network, data.eval_loader(split)):
        confusion += confusion_matrix(predictions, labels, num_classes, data.ignore_index).cpu()
    return confusion


class ImageCounter:
    """Counts predictions image by image, for :class:`segnet.metrics.ImageScores`.

    Args:
        data: the data module.
        split: whose images are counted, in their order.
    """

    def __init__(self, data: DataModule, split: str) -> None:
        self.data, self.split = data, split
        self.counts: dict[str, list[np.ndarray]] = {name: [] for name in COUNTING}

    def add(self, predictions: Tensor, labels: Tensor) -> None:
        """Count the images of a batch ``(N, H, W)``."""
        for name, count in COUNTING.items():
            counted = count(predictions, labels, len(self.data.classes), self.data.ignore_index)
            self.counts[name].append(torch.as_tensor(counted).cpu().numpy())

    def finish(self) -> ImageScores:
        """Return the counts of all images."""
        return ImageScores(
            names=np.array(self.data.split(self.split).ids, dtype=np.str_),
            groups=np.array(sample_groups(self.data.split(self.split)), dtype=np.str_),
            classes=np.array(self.data.classes, dtype=np.str_),
            trimap_widths=np.array(TRIMAP_WIDTHS),
            ignore_index=self.data.ignore_index,
            **{name: np.concatenate(batches) for name, batches in self.counts.items()},
        )


def score_images(network: nn.Module, data: DataModule, split: str) -> ImageScores:
    """Score each image of "train", "val" or "test" without augmentation, its boundaries and small objects too.

    The sum of the confusion matrices is what :func:`score_confusion` returns.
    """
    counter = ImageCounter(data, split)
    for predictions, labels in predict_batches(network, data.eval_loader(split)):
        counter.add(predictions, labels)
    return counter.finish()


def score_lookup(data: DataModule, split: str) -> Scores:
    """Score a table from colour to class, learned from the training split."""
    lookup = ColourLookup(len(data.classes), data.ignore_index, data.channels)
    lookup.fit(data.split("train"))
    return scores(lookup.evaluate(data.split(split)), data.ignore_index)


def flat_scores(result: Scores, classes: list[str]) -> dict[str, float]:
    """Name the scores as ``metrics.json`` does: ``miou``, ``iou/road``, ...; NaN for a class that does not occur."""
    return {
        "miou": result.miou,
        "class_accuracy": result.class_accuracy,
        "pixel_accuracy": result.pixel_accuracy,
        **{f"iou/{name}": value.item() for name, value in zip(classes, result.iou, strict=True)},
    }
