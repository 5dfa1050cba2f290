"""Scores of a split, of a network and of what it must beat."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segnet.data import ColourLookup, DataModule
from segnet.data.low_resolution import low_resolution_pair
from segnet.inference import as_float, evaluate, predict_batches
from segnet.metrics import (
    TRIMAP_WIDTHS,
    ImageQuality,
    ImageScores,
    Scores,
    boundary_f1_counts,
    boundary_iou_counts,
    image_confusions,
    quality_sums,
    scores,
    small_object_counts,
    trimap_confusions,
)
from segnet.models.super_resolution import enlarge


def score_confusion(network: nn.Module, data: DataModule, split: str) -> Tensor:
    """Score a network on "train", "val" or "test" without augmentation: the confusion matrix ``(K, K)`` int64."""
    return evaluate(network, data.eval_loader(split), len(data.classes), data.ignore_index)


def score_images(network: nn.Module, data: DataModule, split: str) -> ImageScores:
    """Score each image of "train", "val" or "test" without augmentation, its boundaries and small objects too.

    The sum of the confusion matrices is what :func:`score_confusion` returns.
    """
    facts = (len(data.classes), data.ignore_index)
    counting = {
        "confusions": image_confusions,
        "boundary_f1": boundary_f1_counts,
        "boundary_iou": boundary_iou_counts,
        "trimap": trimap_confusions,
        "small_objects": small_object_counts,
    }
    counts: dict[str, list[np.ndarray]] = {name: [] for name in counting}
    for predictions, labels in predict_batches(network, data.eval_loader(split)):
        for name, count in counting.items():
            counts[name].append(torch.as_tensor(count(predictions, labels, *facts)).cpu().numpy())
    return ImageScores(
        names=np.array(data.split(split).ids, dtype=np.str_),
        classes=np.array(data.classes, dtype=np.str_),
        trimap_widths=np.array(TRIMAP_WIDTHS),
        **{name: np.concatenate(batches) for name, batches in counts.items()},
    )


def score_lookup(data: DataModule, split: str) -> Scores:
    """Score a table from colour to class, learned from the training split."""
    lookup = ColourLookup(len(data.classes), data.ignore_index, data.channels)
    lookup.fit(data.split("train"))
    return scores(lookup.evaluate(data.split(split)))


def flat_scores(result: Scores, classes: list[str]) -> dict[str, Any]:
    """Name the scores as ``metrics.json`` does: ``miou``, ``iou/road``, ...; NaN for a class that does not occur."""
    return {
        "miou": result.miou,
        "class_accuracy": result.class_accuracy,
        "pixel_accuracy": result.pixel_accuracy,
        **{f"iou/{name}": value.item() for name, value in zip(classes, result.iou, strict=True)},
    }


@torch.inference_mode()
def score_enlargement(network: nn.Module, data: DataModule, split: str, factor: int) -> ImageQuality:
    """Score a super-resolution network on "train", "val" or "test" without augmentation."""
    network.eval()
    return _quality(network, next(network.parameters()).device, data, split, factor)


def score_bicubic(data: DataModule, split: str, factor: int) -> ImageQuality:
    """Score bicubic interpolation, on the CPU: the least that a super-resolution network must beat."""
    return _quality(lambda images: enlarge(images, factor), torch.device("cpu"), data, split, factor)


def _quality(
    enlarging: Callable[[Tensor], Tensor], device: torch.device, data: DataModule, split: str, factor: int
) -> ImageQuality:
    sums = torch.zeros(3, dtype=torch.float64)
    for batch in data.eval_loader(split):
        small, target = low_resolution_pair(as_float(batch["image"].to(device)), factor)
        sums += quality_sums(enlarging(small), target)
    return ImageQuality.from_sums(sums)
