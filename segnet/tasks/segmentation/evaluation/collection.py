"""One pass over a split, and a look at its worst images."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from segnet.data import DataModule
from segnet.data.samples import Batch
from segnet.metrics import ImageScores, calibration_counts, mean_iou
from segnet.tasks.segmentation.prediction import batch_logits, predict
from segnet.tasks.segmentation.scoring import ImageCounter


@dataclass(frozen=True)
class Collected:
    """What one pass counts.

    Attributes:
        images: counts of each of n images.
        calibration: ``(n, 3, bins)``, see :func:`segnet.metrics.calibration_counts`.
    """

    images: ImageScores
    calibration: np.ndarray

    def image_mious(self) -> np.ndarray:
        """Score each image by itself, ``(n,)``: mean IoU over the classes that occur in it; NaN where none does."""
        return mean_iou(self.images.class_counts())


@dataclass(frozen=True, eq=False)
class Look:
    """An image with its label and what is predicted: ``(H, W, C)``, ``(H, W)`` and ``(H, W)``, uint8."""

    place: int
    image: np.ndarray
    label: np.ndarray
    prediction: np.ndarray


def collect(
    network: nn.Module, data: DataModule, split: str, track: Callable[[Iterable[Batch], int], Iterable[Batch]]
) -> Collected:
    """Predict each image of a split once, and count.

    No probabilities are kept: each batch's are counted by bins of confidence.

    Args:
        network: takes images in 0..1 to logits.
        data: the data module.
        split: "train", "val" or "test".
        track: shows how far it is: is given the batches and their number, and yields them.
    """
    loader = data.eval_loader(split)
    counter, calibration = ImageCounter(data, split), []
    for logits, labels in batch_logits(network, track(loader, len(loader))):
        largest, predictions = logits.max(1)
        counter.add(predictions, labels)
        confidence = (largest - logits.logsumexp(1)).exp()  # of the largest: the softmax itself is not needed
        found = calibration_counts(confidence, predictions == labels, labels != data.ignore_index)
        calibration.append(found.cpu().numpy())
    return Collected(counter.finish(), np.concatenate(calibration))


def worst_images(collected: Collected, number: int) -> list[int]:
    """Return the places of the images with the lowest mIoU of their own, the worst first; none without a score."""
    mious = collected.image_mious()
    order = np.argsort(mious, kind="stable")
    return [int(place) for place in order[:number] if not np.isnan(mious[place])]


@torch.inference_mode()
def look_at(network: nn.Module, data: DataModule, split: str, places: Iterable[int]) -> list[Look]:
    """Predict some images of a split again, one at a time, and keep what can be seen."""
    samples = data.eval_loader(split).dataset
    looks = []
    for place in places:
        sample = samples[place]
        label: Tensor = sample["label"]
        prediction = predict(network, sample["image"][None], label.shape)[0].cpu().byte().numpy()
        looks.append(Look(place, sample["image"].permute(1, 2, 0).numpy(), label.numpy(), prediction))
    return looks
