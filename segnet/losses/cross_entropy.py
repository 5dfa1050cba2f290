"""Cross-entropy over pixels, with the ignore contract that every loss here keeps.

The contract: ignored pixels add nothing to the sum nor to the count; a batch of ignored pixels alone gives a
loss of 0 with zero gradients.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import require
from segnet.losses.means import pixel_weight


def cross_entropy(
    logits: Tensor, labels: Tensor, ignore_index: int, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Mean cross-entropy of the pixels that count.

    Args:
        logits: ``(N, K, H, W)``.
        labels: ``(N, H, W)``, classes or the ignore index, any integer type.
        ignore_index: label that does not count.
        class_weights: ``(K,)``; the mean is then weighted by the weight of each pixel's class.
        label_smoothing: share of the target that is spread over all classes, 0..1.

    Returns:
        A scalar of type float32.

    Example:
        >>> logits = torch.zeros(1, 4, 1, 2)  # undecided between four classes: log(4)
        >>> cross_entropy(logits, torch.tensor([[[2, 255]]]), ignore_index=255)  # the ignored pixel adds nothing
        tensor(1.3863)
        >>> cross_entropy(logits, torch.tensor([[[255, 255]]]), ignore_index=255)
        tensor(0.)
    """
    labels = labels.long()
    # On the CPU one image after another, which stays in the caches: less than half the time at 8x11x360x480.
    on_cpu = logits.device.type == "cpu"
    share = 1 if on_cpu else max(1, len(logits))
    total = sum(
        F.cross_entropy(
            part.float(),  # log_softmax of bf16 logits would round the loss to 3 digits
            truth,
            class_weights,
            ignore_index=ignore_index,
            # CUDA's own sum over pixels adds in any order, so that deterministic mode refuses it.
            reduction="sum" if on_cpu else "none",
            label_smoothing=label_smoothing,
        ).sum()
        for part, truth in zip(logits.split(share), labels.split(share), strict=True)
    )
    counts = labels != ignore_index
    weight = counts.sum() if class_weights is None else class_weights[labels.where(counts, 0)].where(counts, 0).sum()
    return total / torch.where(weight > 0, weight, torch.ones_like(weight))


class CrossEntropy(nn.Module):
    """Cross-entropy as a module.

    Args:
        ignore_index: label that does not count.
        class_weights: one weight a class, or None for equal weights.
        label_smoothing: share of the target that is spread over all classes, 0..1.

    Raises:
        segnet.errors.UserError: the share is out of its range.
    """

    class_weights: Tensor | None

    def __init__(self, ignore_index: int, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        require(0 <= label_smoothing <= 1, "loss.label_smoothing", label_smoothing, "a number from 0 to 1")
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Take ``(N, K, H, W)`` logits and ``(N, H, W)`` labels to a scalar, see :func:`cross_entropy`."""
        return cross_entropy(logits, labels, self.ignore_index, self.class_weights, self.label_smoothing)

    def weight_of(self, labels: Tensor) -> Tensor:
        """Return how much ``(N, H, W)`` labels count beside others: the sum of the weights of their pixels."""
        return pixel_weight(labels, self.ignore_index, self.class_weights)
