"""What losses over pixels share: which pixels count, their cross-entropy, and weighted means.

All of it is float32, whatever the logits are: sums of bfloat16 over an image would round to three digits.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def scored(labels: Tensor, ignore_index: int) -> Tensor:
    """Return which pixels of ``(N, H, W)`` labels count, bool."""
    return labels != ignore_index


def pixel_cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Return the cross-entropy of each pixel, ``(N, H, W)`` float32; 0 where it is ignored.

    Args:
        logits: ``(N, K, H, W)``.
        labels: ``(N, H, W)``, classes or the ignore index, any integer type.
        ignore_index: label that does not count.
    """
    return F.cross_entropy(logits.float(), labels.long(), ignore_index=ignore_index, reduction="none")


def weight_map(labels: Tensor, ignore_index: int, class_weights: Tensor | None) -> Tensor:
    """Return the weight of each pixel's class, ``(N, H, W)`` float32; 0 where it is ignored, 1 where none are given."""
    counts = scored(labels, ignore_index)
    if class_weights is None:
        return counts.float()
    return class_weights.float()[labels.long().where(counts, 0)] * counts


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of ``values`` by ``weights`` of the same shape, a scalar; 0, with zero gradients, without any.

    A value whose weight is 0 has no influence on the gradients either, unless it is not finite.
    """
    total = weights.sum()
    return (values * weights).sum() / torch.where(total > 0, total, torch.ones_like(total))


def class_probabilities(logits: Tensor) -> Tensor:
    """Return the softmax over the classes of ``(N, K, H, W)`` logits, float32."""
    return logits.float().softmax(1)


def class_masks(labels: Tensor, ignore_index: int, classes: int) -> Tensor:
    """Return for each class which pixels have it, ``(N, K, H, W)`` bool; ignored pixels have none."""
    numbers = torch.arange(classes, device=labels.device)[:, None, None]
    return (labels.long()[:, None] == numbers) & scored(labels, ignore_index)[:, None]
