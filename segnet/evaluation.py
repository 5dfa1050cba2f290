"""Scores of a split, of a network and of what it must beat."""

from typing import Any

from torch import Tensor, nn

from segnet.data import ColourLookup, DataModule
from segnet.inference import evaluate
from segnet.metrics import Scores, scores


def score_confusion(network: nn.Module, data: DataModule, split: str) -> Tensor:
    """Score a network on "train", "val" or "test" without augmentation: the confusion matrix ``(K, K)`` int64."""
    return evaluate(network, data.eval_loader(split), len(data.classes), data.ignore_index)


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
