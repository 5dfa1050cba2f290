"""Cross-entropy of the hardest pixels: online hard example mining, OHEM (Shrivastava et al. 2016; Wu et al. 2016)."""

import math

import torch
from torch import Tensor, nn

from segnet.errors import require
from segnet.losses.means import pixel_weight
from segnet.losses.pixels import pixel_cross_entropy, scored, weight_map, weighted_mean


def hard_pixel_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    ignore_index: int,
    class_weights: Tensor | None = None,
    threshold: float = 0.7,
    least_share: float = 0.0625,
) -> Tensor:
    """Mean cross-entropy of the pixels whose class has a probability of at most ``threshold``.

    Where these are fewer than ``least_share`` of the pixels that count, the hardest pixels make up that share. Pixels
    that are as hard as the last of them count too. With several processes, or accumulated gradients, each part of the
    batch chooses its own, and the parts count by their pixels that count, see :mod:`segnet.losses.means`.

    Args:
        logits: ``(N, K, H, W)``.
        labels: ``(N, H, W)``, classes or the ignore index, any integer type.
        ignore_index: label that does not count.
        class_weights: ``(K,)``, weights of the mean over the chosen pixels; they do not change the choice.
        threshold: probability, 0..1; 1 takes all pixels.
        least_share: of the pixels that count, 0..1.

    Returns:
        A scalar of type float32.
    """
    losses, counts = pixel_cross_entropy(logits, labels, ignore_index), scored(labels, ignore_index)
    if not losses.numel():
        return losses.sum()
    with torch.no_grad():
        ordered = torch.where(counts, losses, -1).flatten().sort(descending=True).values
        least = (counts.sum() * least_share).ceil().long()
        last = ordered[(least - 1).clamp(min=0)].where(least > 0, torch.inf)  # no least share, no lower bar
        bar = last.clamp(max=-math.log(threshold) if threshold else math.inf)
        chosen = counts & (losses >= bar)
    return weighted_mean(losses, weight_map(labels, ignore_index, class_weights) * chosen)


class HardPixels(nn.Module):
    """Cross-entropy of the hardest pixels as a module, see :func:`hard_pixel_cross_entropy`.

    Args:
        ignore_index: label that does not count.
        class_weights: one weight a class, or None for equal weights.
        threshold: probability of its class up to which a pixel is hard, 0..1.
        least_share: of the pixels that are learned from in any case, 0..1.

    Raises:
        segnet.errors.UserError: a value is out of its range.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        ignore_index: int,
        class_weights: Tensor | None = None,
        threshold: float = 0.7,
        least_share: float = 0.0625,
    ) -> None:
        super().__init__()
        require(0 <= threshold <= 1, "loss.threshold", threshold, "a probability from 0 to 1")
        require(0 <= least_share <= 1, "loss.least_share", least_share, "a share from 0 to 1")
        self.ignore_index, self.threshold, self.least_share = ignore_index, threshold, least_share
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Take ``(N, K, H, W)`` logits and ``(N, H, W)`` labels to a scalar."""
        return hard_pixel_cross_entropy(
            logits, labels, self.ignore_index, self.class_weights, self.threshold, self.least_share
        )

    def weight_of(self, labels: Tensor) -> Tensor:
        """Return how much ``(N, H, W)`` labels count beside others: the sum of the weights of their pixels."""
        return pixel_weight(labels, self.ignore_index, self.class_weights)
