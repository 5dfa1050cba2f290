"""Lovasz-softmax: a convex surrogate of the Jaccard loss (Berman, Triki and Blaschko 2018)."""

import torch
from torch import Tensor, nn

from segnet.losses.means import image_weight
from segnet.losses.pixels import class_masks, class_probabilities, weighted_mean


def lovasz_softmax(logits: Tensor, labels: Tensor, ignore_index: int, class_weights: Tensor | None = None) -> Tensor:
    """Mean over the classes that occur in the labels of the Lovasz extension of ``1 - IoU``.

    Like the losses of :mod:`segnet.losses.overlap` it looks at all pixels of the batch that it is called with together:
    with several processes, or accumulated gradients, at those of each part, and the parts count by their images.

    Args:
        logits: ``(N, K, H, W)``.
        labels: ``(N, H, W)``, classes or the ignore index, any integer type.
        ignore_index: label that does not count.
        class_weights: ``(K,)``, weights of the mean over classes.

    Returns:
        A scalar of type float32.
    """
    classes = logits.shape[1]
    truth = class_masks(labels, ignore_index, classes).transpose(0, 1).reshape(classes, -1)
    counts = (labels != ignore_index).flatten()
    probabilities = class_probabilities(logits).transpose(0, 1).reshape(classes, -1)
    # An ignored pixel has the error 0 and belongs to no class: it comes last, where it changes nothing.
    errors = torch.where(counts, (truth.float() - probabilities).abs(), 0)
    losses = torch.stack([_extension(*pair) for pair in zip(errors, truth, strict=True)])
    occurs = truth.any(1).float()
    return weighted_mean(losses, occurs if class_weights is None else occurs * class_weights.float())


def _extension(errors: Tensor, truth: Tensor) -> Tensor:
    """Return the Lovasz extension of the Jaccard loss of one class at its pixels' errors, both ``(P,)``."""
    if not errors.numel():
        return errors.sum()
    ordered, order = errors.sort(descending=True)
    found = truth[order].cumsum(0)  # integers: float32 cannot count above 2^24
    pixels = found[-1]
    intersection = pixels - found
    union = pixels + torch.arange(1, len(found) + 1, device=found.device) - found
    # float64, since the steps of a million pixels are differences of almost equal numbers
    jaccard = 1 - intersection.double() / union
    steps = torch.diff(jaccard, prepend=jaccard.new_zeros(1))
    return (ordered * steps.float()).sum()


class LovaszSoftmax(nn.Module):
    """Lovasz-softmax as a module, see :func:`lovasz_softmax`.

    Args:
        ignore_index: label that does not count.
        class_weights: one weight a class, or None for equal weights.
    """

    class_weights: Tensor | None

    def __init__(self, ignore_index: int, class_weights: Tensor | None = None) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Take ``(N, K, H, W)`` logits and ``(N, H, W)`` labels to a scalar."""
        return lovasz_softmax(logits, labels, self.ignore_index, self.class_weights)

    def weight_of(self, labels: Tensor) -> Tensor:
        """Return how much ``(N, H, W)`` labels count beside others: the number of images with a pixel that counts."""
        return image_weight(labels, self.ignore_index, self.class_weights)
