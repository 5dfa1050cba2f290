"""Whether a network is as sure as it is right: counts of pixels by confidence, which add up over images."""

import numpy as np
import torch
from torch import Tensor

BINS = 15  # as in Guo et al. 2017
UNITS = 2**24
"""Confidences are added up as integers of so many parts, so that sums are the same in any order."""
CALIBRATION_DEFINITION = (
    f"ECE, expected calibration error (Guo et al. 2017): pixels are sorted by the probability of their predicted class "
    f"into {BINS} bins of equal width, and the gaps between mean probability and share of right pixels are averaged, "
    f"each bin weighted by its pixels; ignored pixels left out"
)


def calibration_counts(confidence: Tensor, right: Tensor, scored: Tensor, bins: int = BINS) -> Tensor:
    """Count pixels by confidence.

    Args:
        confidence: probability of the predicted class ``(N, H, W)``, 0..1.
        right: whether it is the label ``(N, H, W)``.
        scored: whether the pixel counts ``(N, H, W)``.
        bins: of equal width; a confidence on the border of two belongs to the upper one.

    Returns:
        ``(N, 3, bins)`` int64 on the inputs' device: pixels, right pixels, and the sum of their confidences in units of
        ``1 / UNITS``.

    Example:
        >>> confidence = torch.tensor([[[0.3, 0.9, 1.0, 0.5]]])
        >>> right = torch.tensor([[[False, True, True, True]]])
        >>> calibration_counts(confidence, right, torch.tensor([[[True, True, True, False]]]), bins=2)[0, :2]
        tensor([[1, 2],
                [0, 2]])
    """
    images = len(confidence)
    place = (confidence * bins).long().clamp(0, bins - 1)
    place += torch.arange(0, images * bins, bins, device=place.device).reshape(-1, 1, 1)
    place = torch.where(scored, place, images * bins).flatten()
    # Integers by adding, as in the confusion matrix: the same in any order, and no waiting for a GPU.
    counts = place.new_zeros(3, images * bins + 1)
    amounts = torch.ones_like(place), right.flatten().long(), (confidence * UNITS).round().long().flatten()
    for row, amount in zip(counts, amounts, strict=True):
        row.scatter_add_(0, place, amount)
    return counts[:, :-1].reshape(3, images, bins).transpose(0, 1)


def calibration_error(counts: np.ndarray) -> np.ndarray:
    """Expected calibration error ``(...)`` of counts ``(..., 3, bins)``; NaN where no pixel counts."""
    pixels, right, confidence = np.moveaxis(np.asarray(counts, dtype=float), -2, 0)
    total = pixels.sum(-1)
    gaps = np.abs(confidence / UNITS - right).sum(-1)
    error: np.ndarray = np.divide(gaps, total, out=np.full_like(total, np.nan), where=total > 0)
    return error


def overconfidence(counts: np.ndarray) -> np.ndarray:
    """Mean confidence minus the share of right pixels, ``(...)`` of counts ``(..., 3, bins)``; NaN without a pixel."""
    pixels, right, confidence = np.moveaxis(np.asarray(counts, dtype=float).sum(-1), -1, 0)
    excess = confidence / UNITS - right
    mean: np.ndarray = np.divide(excess, pixels, out=np.full_like(pixels, np.nan), where=pixels > 0)
    return mean
