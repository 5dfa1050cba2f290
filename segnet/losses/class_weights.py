"""Class weights, computed from how often each class occurs in the training split.

Each takes the per-image pixel counts ``(images, K)`` of the training labels (ignored pixels left out), int64, and
returns ``(K,)`` float32 weights, or None for none.
"""

import torch
from torch import Tensor

from segnet.errors import UserError


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


def class_shares(pixel_counts: Tensor) -> Tensor:
    """Return the share of each class among the pixels of all images ``(images, K)``, ``(K,)`` float64."""
    totals = pixel_counts.sum(0).double()
    return totals / totals.sum().clamp(min=1)
