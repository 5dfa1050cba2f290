"""Class weights, computed from how often each class occurs in the training split.

Each takes the per-image pixel counts ``(images, K)`` of the training labels (ignored pixels left out), int64, and
returns ``(K,)`` float32 weights, or None for none.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from segnet.errors import UserError, require


def no_class_weights(pixel_counts: Tensor) -> None:
    """Every pixel counts the same."""
    return


def median_frequency(pixel_counts: Tensor) -> Tensor:
    """Median-frequency balancing (Eigen and Fergus 2015, used by SegNet).

    The frequency of a class is its number of pixels divided by the number of scored pixels in the images where it
    occurs; its weight is the median of the frequencies divided by its own. A class that never occurs weighs 1.
    """
    occurs = pixel_counts > 0
    in_images = torch.where(occurs, pixel_counts.sum(1, keepdim=True), 0).sum(0)
    frequency = pixel_counts.sum(0) / in_images.clamp(min=1)
    present = frequency > 0
    if not present.any():
        return torch.ones_like(frequency)
    # The mean of the two middle values for an even number of classes, which torch.median does not take.
    median = frequency[present].quantile(0.5)
    return torch.where(present, median / frequency, 1.0).float()


def enet(pixel_counts: Tensor, offset: float = 1.02) -> Tensor:
    """ENet's weights, ``1 / ln(c + p)`` with p the share of a class among all scored pixels (Paszke et al. 2016).

    They are bounded: for ``c = 1.02`` between 1.4 and 50, for ``c = 1.10``, as ESPNet and its successors have it,
    between 1.3 and 10.5. A class that never occurs weighs the most.

    Args:
        pixel_counts: see the module.
        offset: c; the nearer to 1, the more a rare class weighs.

    Raises:
        UserError: the offset is 1 or less, where the weight of a rare class has no bound.
    """
    if offset <= 1:
        raise UserError(f"class_weights.offset={offset} leaves the weights of rare classes without a bound: set 1.02")
    return 1 / torch.log(offset + class_shares(pixel_counts)).float()


def inverse_sqrt(pixel_counts: Tensor) -> Tensor:
    """``1 / sqrt(p)``, scaled so that the mean over all scored pixels is 1; p as in :func:`enet`.

    Half of the way, on a logarithmic scale, from equal weights to classes that all weigh the same. A class that never
    occurs weighs 1.
    """
    shares = class_shares(pixel_counts)
    total = shares.sqrt().sum()
    return torch.where(shares > 0, 1 / (shares.sqrt() * total), 1.0).float()


def effective_number(pixel_counts: Tensor, beta: float = 0.9999) -> Tensor:
    """``(1 - beta) / (1 - beta^n)``, scaled to a mean of 1 over the classes that occur (Cui et al. 2019).

    n counts the images in which a class occurs and not its pixels, of which every class has so many that all weights
    would be equal: neighbouring pixels show the same thing. A class that never occurs weighs 1.

    Args:
        pixel_counts: see the module.
        beta: 0 weighs all classes the same; the closer to 1, the closer to the inverse of n.

    Raises:
        UserError: beta is not in 0..1, or is 1.
    """
    require(0 <= beta < 1, "class_weights.beta", beta, "a number from 0 to below 1")
    images = (pixel_counts > 0).sum(0).double()
    occurs = images > 0
    weights = (1 - beta) / (1 - beta ** images.clamp(min=1))
    mean = weights[occurs].mean() if occurs.any() else torch.ones(())
    return torch.where(occurs, weights / mean, 1.0).float()


def given_weights(pixel_counts: Tensor, weights: Sequence[float] | None) -> Tensor:
    """Return the weights that the user gives, whatever the pixel counts are.

    Args:
        pixel_counts: see the module.
        weights: one number from 0 up for each class, in the order of the labels.

    Raises:
        UserError: they are missing, too few, too many, negative, or all 0.
    """
    classes = pixel_counts.shape[1]
    if weights is None or len(weights) != classes:
        given = "none" if weights is None else f"{len(weights)}"
        raise UserError(
            f"class_weights=given needs one weight for each of the {classes} classes and has {given}: set "
            f"class_weights.weights=[{','.join(['1.0'] * classes)}]"
        )
    values = torch.tensor(weights, dtype=torch.float32)
    allowed = bool((values >= 0).all()) and bool(values.isfinite().all()) and bool(values.sum() > 0)
    require(allowed, "class_weights.weights", list(weights), "numbers from 0 up, not all of them 0")
    return values


def class_shares(pixel_counts: Tensor) -> Tensor:
    """Return the share of each class among the pixels of all images ``(images, K)``, ``(K,)`` float64."""
    totals = pixel_counts.sum(0).double()
    return totals / totals.sum().clamp(min=1)
