"""Losses of overlap between a class and its prediction: Dice, Jaccard, Tversky and focal Tversky.

All are one formula. With probabilities p and truth g of a class, summed over the pixels that count, its index is
``TP / (TP + alpha * FP + beta * FN)`` with ``TP = sum(p g)``, ``FP = sum(p) - TP`` and ``FN = sum(g) - TP``
(Salehi et al. 2017): Dice for alpha = beta = 1/2, Jaccard for alpha = beta = 1.

What it is a mean over: the sums run over all images of the batch that the loss is called with, so that a class which
is small in one image and large in another is one class; ``per_image`` takes the indices of each image instead, and
the mean of the images. The loss is the mean, by the class weights, over the classes that occur in the labels there; a
class without a pixel would have the index 0 whatever is predicted. With several processes each takes the sums of its
own share of the batch, and with accumulated gradients each part those of its own images; the loss is then the mean of
these by their numbers of images, see :mod:`segnet.losses.means`. That is the loss of the whole batch with
``per_image``, but not without.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from segnet.errors import require
from segnet.losses.means import image_weight
from segnet.losses.pixels import class_masks, class_probabilities, scored, weighted_mean


def tversky_indices(
    logits: Tensor,
    labels: Tensor,
    ignore_index: int,
    alpha: float,
    beta: float,
    squared: bool = False,
    per_image: bool = False,
    smooth: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Return the Tversky index of each class, and which classes occur in the labels.

    Args:
        logits: ``(N, K, H, W)``.
        labels: ``(N, H, W)``, classes or the ignore index, any integer type.
        ignore_index: label that does not count.
        alpha: weight of false positives.
        beta: weight of false negatives.
        squared: take ``sum(p^2)`` for ``sum(p)`` in the denominator (Milletari et al. 2016, V-Net).
        per_image: one index for each image and class.
        smooth: added to numerator and denominator.

    Returns:
        ``(K,)`` float32 and bool, or with ``per_image`` ``(N, K)``.
    """
    probabilities = class_probabilities(logits)
    truth = class_masks(labels, ignore_index, logits.shape[1])
    counts = scored(labels, ignore_index)[:, None]
    dims = (2, 3) if per_image else (0, 2, 3)
    hits = torch.where(truth, probabilities, 0).sum(dims)
    predicted = torch.where(counts, probabilities**2 if squared else probabilities, 0).sum(dims)
    pixels = truth.sum(dims)
    rest = alpha * (predicted - hits) + beta * (pixels - hits)
    # A class that occurs has a denominator above 0, unless alpha or beta is 0 and nothing of it is found.
    return (hits + smooth) / (hits + rest + smooth).clamp(min=1e-7), pixels > 0


def overlap_loss(indices: Tensor, occurs: Tensor, class_weights: Tensor | None = None, power: float = 1.0) -> Tensor:
    """Return the mean of ``(1 - index)^power`` over the classes that occur, and over images that have any.

    Args:
        indices: ``(K,)`` or ``(N, K)``, see :func:`tversky_indices`.
        occurs: which classes are in the labels, of the same shape.
        class_weights: ``(K,)``, or None for equal weights.
        power: exponent; 1, or 1/gamma of the focal Tversky loss.

    Returns:
        A scalar.
    """
    missed = 1 - indices
    if power != 1:
        missed = missed.clamp(min=1e-6) ** power  # the slope of a root at 0 has no bound
    weights = occurs.float() if class_weights is None else occurs * class_weights.float()
    if indices.dim() == 1:
        return weighted_mean(missed, weights)
    of_images = torch.stack([weighted_mean(*pair) for pair in zip(missed, weights, strict=True)])
    return weighted_mean(of_images, (weights.sum(1) > 0).float())


class Tversky(nn.Module):
    """Tversky loss, which weighs false positives and false negatives (Salehi et al. 2017); see the module.

    Args:
        ignore_index: label that does not count.
        class_weights: one weight a class, or None for equal weights.
        alpha: weight of false positives.
        beta: weight of false negatives; above alpha it asks for recall, as small objects do.
        gamma: above 1 it turns to the classes that are missed most, by the exponent 1/gamma
            (Abraham and Khan 2019, the focal Tversky loss, gamma 4/3).
        squared: take squares of probabilities in the denominator.
        per_image: one index for each image and class, and the mean over images.
        smooth: added to numerator and denominator.

    Raises:
        segnet.errors.UserError: a value is out of its range.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        ignore_index: int,
        class_weights: Tensor | None = None,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 1.0,
        squared: bool = False,
        per_image: bool = False,
        smooth: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("alpha", alpha), ("beta", beta), ("smooth", smooth)):
            require(0 <= value < math.inf, f"loss.{name}", value, "a number from 0 up")
        require(alpha + beta > 0, "loss.alpha", alpha, "a number above 0, where loss.beta is 0")
        require(0 < gamma < math.inf, "loss.gamma", gamma, "a number above 0")
        self.ignore_index, self.alpha, self.beta, self.gamma = ignore_index, alpha, beta, gamma
        self.squared, self.per_image, self.smooth = squared, per_image, smooth
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Take ``(N, K, H, W)`` logits and ``(N, H, W)`` labels to a scalar."""
        indices, occurs = tversky_indices(
            logits, labels, self.ignore_index, self.alpha, self.beta, self.squared, self.per_image, self.smooth
        )
        return overlap_loss(indices, occurs, self.class_weights, 1 / self.gamma)

    def weight_of(self, labels: Tensor) -> Tensor:
        """Return how much ``(N, H, W)`` labels count beside others: the number of images with a pixel that counts."""
        return image_weight(labels, self.ignore_index, self.class_weights)


class Dice(Tversky):
    """Dice loss (Milletari et al. 2016; the sums of Sudre et al. 2017), see the module for what it is a mean over.

    Args:
        ignore_index: label that does not count.
        class_weights: one weight a class, or None for equal weights.
        form: "plain"; "squared" takes squares of probabilities in the denominator; "log_cosh" is the logarithm of the
            hyperbolic cosine of the loss, which is flat where little is missed (Jadon 2020).
        per_image: one coefficient for each image and class, and the mean over images.
        smooth: added to numerator and denominator of ``2 TP / (2 TP + FP + FN)``.

    Raises:
        segnet.errors.UserError: a value is not among those.
    """

    def __init__(
        self,
        ignore_index: int,
        class_weights: Tensor | None = None,
        form: Literal["plain", "squared", "log_cosh"] = "plain",
        per_image: bool = False,
        smooth: float = 0.0,
    ) -> None:
        require(form in ("plain", "squared", "log_cosh"), "loss.form", form, "plain, squared or log_cosh")
        require(0 <= smooth < math.inf, "loss.smooth", smooth, "a number from 0 up")
        super().__init__(
            ignore_index, class_weights, 0.5, 0.5, squared=form == "squared", per_image=per_image, smooth=smooth / 2
        )
        self.form = form

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Take ``(N, K, H, W)`` logits and ``(N, H, W)`` labels to a scalar."""
        loss = super().forward(logits, labels)
        return loss.cosh().log() if self.form == "log_cosh" else loss


class Jaccard(Tversky):
    """One minus the soft Jaccard index, or IoU (Rahman and Wang 2016); see the module for what it is a mean over.

    Args:
        ignore_index: label that does not count.
        class_weights: one weight a class, or None for equal weights.
        per_image: one index for each image and class, and the mean over images.
        smooth: added to numerator and denominator.

    Raises:
        segnet.errors.UserError: a value is out of its range.
    """

    def __init__(
        self,
        ignore_index: int,
        class_weights: Tensor | None = None,
        per_image: bool = False,
        smooth: float = 0.0,
    ) -> None:
        super().__init__(ignore_index, class_weights, 1.0, 1.0, per_image=per_image, smooth=smooth)
