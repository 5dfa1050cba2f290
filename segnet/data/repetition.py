"""Repeat-factor sampling: images that hold rare classes are seen more often."""

import numpy as np
from torch import Tensor


def repeat_factors(pixels: Tensor, threshold: float) -> np.ndarray:
    """Return how often an epoch sees each image (Gupta et al. 2019, section 4.2).

    A class that is in the share f of the images has the factor ``max(1, sqrt(threshold / f))``, and an image has the
    largest factor of its classes. The images of a class that is four times as rare as the threshold are seen twice.

    Args:
        pixels: ``(images, K)``, the pixels of each class; what is ignored has none.
        threshold: share of the images from which a class is not rare, 0..1.

    Returns:
        ``(images,)`` float64, from 1 up.
    """
    found = pixels.numpy() > 0
    share = found.mean(0)
    of_class = np.sqrt(np.maximum(1, threshold / np.where(share > 0, share, 1)))
    factors: np.ndarray = np.where(found, of_class, 1.0).max(1)
    return factors


def epoch_size(factors: np.ndarray) -> int:
    """Return how many samples one pass has: the same number in each."""
    whole = np.floor(factors)
    return int(whole.sum()) + round(float((factors - whole).sum()))


def draw_counts(factors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw how often one pass sees each image.

    Each is seen as often as the whole part of its factor says, and once more with the probability of the rest. The
    images that are seen once more are drawn systematically, at even steps through a random order, so that their number
    is always the same, and with it the length of an epoch, which schedules and resuming depend on.

    Args:
        factors: ``(images,)``, from 1 up.
        random: the stream of the pass.

    Returns:
        ``(images,)`` int64 that come to :func:`epoch_size`.
    """
    whole: np.ndarray = np.floor(factors).astype(np.int64)
    more = epoch_size(factors) - int(whole.sum())
    if more == 0:
        return whole
    order = random.permutation(len(factors))
    ends = np.cumsum((factors - whole)[order])
    places = (np.arange(more) + random.random()) * (ends[-1] / more)
    chosen = np.minimum(np.searchsorted(ends, places, side="right"), len(order) - 1)
    counts: np.ndarray = whole + np.bincount(order[chosen], minlength=len(factors))
    return counts
