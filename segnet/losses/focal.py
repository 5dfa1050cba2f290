"""Focal loss: cross-entropy that pixels which are right already hardly count in (Lin et al. 2017, RetinaNet)."""

import math

from torch import Tensor, nn

from segnet.errors import require
from segnet.losses.means import pixel_weight
from segnet.losses.pixels import pixel_cross_entropy, weight_map, weighted_mean


def focal(
    logits: Tensor, labels: Tensor, ignore_index: int, class_weights: Tensor | None = None, gamma: float = 2.0
) -> Tensor:
    """Mean of ``(1 - p)^gamma * -log(p)`` over the pixels that count, p the probability of a pixel's own class.

    Args:
        logits: ``(N, K, H, W)``.
        labels: ``(N, H, W)``, classes or the ignore index, any integer type.
        ignore_index: label that does not count.
        class_weights: ``(K,)``, the paper's alpha; the mean is then weighted by the weight of each pixel's class.
        gamma: 0 is the cross-entropy; the larger, the less an easy pixel counts.

    Returns:
        A scalar of type float32.

    Example:
        >>> import torch
        >>> focal(torch.zeros(1, 2, 1, 1), torch.tensor([[[1]]]), ignore_index=255)  # log(2) / 4
        tensor(0.1733)
    """
    losses = pixel_cross_entropy(logits, labels, ignore_index)
    # 1 - p by expm1, exact where p is close to 1. The clamp keeps the gradient of a root (gamma below 1) finite.
    wrong = (-(-losses).expm1()).clamp(min=1e-12)
    return weighted_mean(wrong**gamma * losses, weight_map(labels, ignore_index, class_weights))


class Focal(nn.Module):
    """Focal loss as a module, see :func:`focal`.

    Args:
        ignore_index: label that does not count.
        class_weights: one weight a class, or None for equal weights.
        gamma: 0 is the cross-entropy; the larger, the less an easy pixel counts.

    Raises:
        segnet.errors.UserError: gamma is negative.
    """

    class_weights: Tensor | None

    def __init__(self, ignore_index: int, class_weights: Tensor | None = None, gamma: float = 2.0) -> None:
        super().__init__()
        require(0 <= gamma < math.inf, "loss.gamma", gamma, "a number from 0 up")
        self.ignore_index, self.gamma = ignore_index, gamma
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Take ``(N, K, H, W)`` logits and ``(N, H, W)`` labels to a scalar."""
        return focal(logits, labels, self.ignore_index, self.class_weights, self.gamma)

    def weight_of(self, labels: Tensor) -> Tensor:
        """Return how much ``(N, H, W)`` labels count beside others: the sum of the weights of their pixels."""
        return pixel_weight(labels, self.ignore_index, self.class_weights)
