"""Class weights, computed from how often each class occurs in the training split.

Each takes the per-image pixel counts ``(images, K)`` of the training labels (ignored pixels left out), int64, and
returns ``(K,)`` float32 weights, or None for none.
"""

import torch
from torch import Tensor


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
