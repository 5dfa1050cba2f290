"""Cross-entropy in which pixels near a boundary between classes count more (after Ronneberger et al. 2015, U-Net).

U-Net weighs by the distance to the nearest cell, which takes a distance transform of each label; here it is a band of
constant weight, which any device finds by two poolings.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import require
from segnet.losses.pixels import pixel_cross_entropy, scored, weight_map, weighted_mean


def boundary_band(labels: Tensor, ignore_index: int, radius: int) -> Tensor:
    """Return which pixels have another class than their own within ``radius`` pixels, ``(N, H, W)`` bool.

    The distance is the larger of the two along the axes (chessboard). Ignored pixels make no boundary, and are in none.

    Args:
        labels: ``(N, H, W)``, classes or the ignore index, any integer type.
        ignore_index: label that does not count.
        radius: in pixels; 1 takes the pixels on both sides of each boundary.
    """
    counts = scored(labels, ignore_index)
    values = labels.float()
    window = 2 * radius + 1

    def largest(padded: Tensor) -> Tensor:
        return F.max_pool2d(padded[:, None], window, stride=1, padding=radius)[:, 0]

    highest = largest(torch.where(counts, values, -math.inf))
    lowest = -largest(torch.where(counts, -values, -math.inf))
    return counts & (highest > lowest)


def boundary_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    ignore_index: int,
    class_weights: Tensor | None = None,
    weight: float = 5.0,
    radius: int = 2,
) -> Tensor:
    """Mean cross-entropy, weighted by ``weight`` near boundaries and by 1 elsewhere.

    Args:
        logits: ``(N, K, H, W)``.
        labels: ``(N, H, W)``, classes or the ignore index, any integer type.
        ignore_index: label that does not count.
        class_weights: ``(K,)``; multiplied with the weight of the place.
        weight: of a pixel near a boundary, where another one has 1.
        radius: what is near, in pixels, see :func:`boundary_band`.

    Returns:
        A scalar of type float32.
    """
    weights = _weights(labels, ignore_index, class_weights, weight, radius)
    return weighted_mean(pixel_cross_entropy(logits, labels, ignore_index), weights)


def _weights(labels: Tensor, ignore_index: int, class_weights: Tensor | None, weight: float, radius: int) -> Tensor:
    weights = weight_map(labels, ignore_index, class_weights)
    if labels.numel():
        weights = weights * torch.where(boundary_band(labels, ignore_index, radius), weight, 1.0)
    return weights


class BoundaryCrossEntropy(nn.Module):
    """Boundary-weighted cross-entropy as a module, see :func:`boundary_cross_entropy`.

    Args:
        ignore_index: label that does not count.
        class_weights: one weight a class, or None for equal weights.
        weight: of a pixel near a boundary, where another one has 1.
        radius: what is near, in pixels of the image that the network sees.

    Raises:
        segnet.errors.UserError: a value is out of its range.
    """

    class_weights: Tensor | None

    def __init__(
        self, ignore_index: int, class_weights: Tensor | None = None, weight: float = 5.0, radius: int = 2
    ) -> None:
        super().__init__()
        require(0 < weight < math.inf, "loss.weight", weight, "a number above 0")
        require(radius >= 1, "loss.radius", radius, "an integer from 1 up")
        self.ignore_index, self.weight, self.radius = ignore_index, weight, radius
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Take ``(N, K, H, W)`` logits and ``(N, H, W)`` labels to a scalar."""
        return boundary_cross_entropy(logits, labels, self.ignore_index, self.class_weights, self.weight, self.radius)

    def weight_of(self, labels: Tensor) -> Tensor:
        """Return how much ``(N, H, W)`` labels count beside others: the sum of the weights of their pixels."""
        return _weights(labels, self.ignore_index, self.class_weights, self.weight, self.radius).sum()
