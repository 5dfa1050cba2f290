"""Which test images are resampled together: neighbours within a sequence, in blocks as long as the data demand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segnet.resampling.interval import FloatArray

MANY_GROUPS = 20
"""From this number of groups on, whole groups are drawn: then nothing is assumed of how they look inside."""
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Groups:
    """Which of n images belong together, each group in the order of its images.

    Attributes:
        order: ``(n,)`` images, group by group.
        first: ``(n,)`` place in ``order`` at which the group of each image begins.
        rank: ``(n,)`` place of each image within its group.
        size: ``(n,)`` number of images in the group of each image.
    """

    order: Places
    first: Places
    rank: Places
    size: Places

    @property
    def number(self) -> int:
        """Number of groups."""
        return int((self.rank == 0).sum())

    @property
    def largest(self) -> int:
        """Number of images in the largest group."""
        return int(self.size.max(initial=1))


def groups_of(names: npt.ArrayLike) -> Groups:
    """Find the groups of images from the name of the group of each, ``(n,)``."""
    _, place, sizes = np.unique(np.asarray(names), return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    first = (np.cumsum(sizes) - sizes)[place]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Groups(order, first, rank - first, sizes[place])


@dataclass(frozen=True)
class Blocks:
    """How images are resampled: in blocks of ``length`` neighbours, or of a whole group where that is smaller."""

    groups: Groups
    length: int

    @property
    def number(self) -> float:
        """Number of blocks that make up a resample."""
        return len(self.groups.size) / float(np.minimum(self.length, self.groups.size).mean())

    def draw(self, resamples: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
        """Draw blocks with replacement until there are as many images as in the split (Politis & Romano 1992).

        A block begins at any image, and continues at its group's start where the group ends. The last block is cut.

        Returns:
            ``(resamples, n)``, how often each image is in each resample.
        """
        groups, images = self.groups, len(self.groups.size)
        lengths = np.minimum(self.length, groups.size)
        starts = random.integers(images, size=(resamples, math.ceil(images / lengths.min())))
        taken = lengths[starts]
        before = np.cumsum(taken, axis=1) - taken
        taken = np.clip(images - before, 0, taken)
        rows = np.broadcast_to(np.arange(resamples)[:, None] * images, starts.shape)
        counts = np.zeros(resamples * images, dtype=np.intp)
        for step in range(int(lengths.max())):
            chosen = taken > step
            start = starts[chosen]
            image = groups.order[groups.first[start] + (groups.rank[start] + step) % groups.size[start]]
            counts += np.bincount(image + rows[chosen], minlength=resamples * images)
        return counts.reshape(resamples, images)

    def degrees(self, influence: FloatArray) -> float:
        """Estimate how many degrees of freedom the bootstrap's variance has.

        As many as a chi-squared variable of equal relative variance: ``2 B / (kurtosis - 1)`` of the B blocks' sums.
        These are about B where all blocks say something, and few where a score hangs on few of them.

        Args:
            influence: ``(n,)``, see :func:`influences`.

        Returns:
            From 1 to B - 1.
        """
        groups = self.groups
        ranks = groups.rank[groups.order]
        sums = np.add.reduceat(influence[groups.order], np.flatnonzero(ranks % self.length == 0))
        squares = (sums - sums.mean()) ** 2
        most = max(self.number - 1, 1.0)
        if not squares.any():
            return most
        kurtosis = float((squares**2).mean() / squares.mean() ** 2)
        return min(max(2 * len(sums) / (kurtosis - 1), 1.0), most) if kurtosis > 1 else most


def choose_blocks(groups: Groups, series: Sequence[FloatArray]) -> Blocks:
    """Choose how to resample images: whole groups where these are many, otherwise blocks within them.

    Args:
        groups: of the images.
        series: influences ``(n,)`` of the images on what is to be estimated, see :func:`optimal_length`.
    """
    if groups.largest == 1 or groups.number >= MANY_GROUPS:
        return Blocks(groups, groups.largest)
    return Blocks(groups, max(1, math.ceil(optimal_length(groups, series))))


def optimal_length(groups: Groups, series: Sequence[FloatArray]) -> float:
    """Find the best length of blocks for the circular block bootstrap of a mean.

    Politis & White 2004, with the constants of Patton, Politis & White 2009. The autocovariances are those of pairs of
    images of the same group, averaged over the series, each at unit variance. The first five lags in a row with
    autocorrelations below ``2 sqrt(log10(n) / n)`` are looked for, and twice as many lags as the first of these enter,
    weighted by the flat-top window. (The authors' text takes the lag before it, their program this one, as the ``arch``
    package does; blocks are a little longer so.) A lag that no group has is not looked at.

    Args:
        groups: of the images.
        series: values ``(n,)``, one or several; one that does not vary is left out.

    Returns:
        The length, not rounded; at most ``3 sqrt(n)``, ``n / 3`` (both rounded up) and the largest group, 1 at least.
    """
    images = len(groups.order)
    varying = [values - values.mean() for values in series if np.ptp(values) > 0]
    if not varying:
        return 1.0
    ordered = np.stack([values / values.std() for values in varying])[:, groups.order]
    row = max(5, int(math.log10(images)))
    most = min(math.ceil(math.sqrt(images)) + row, groups.largest - 1)
    covariances, correlations = _autocovariances(ordered, groups, most)
    small = correlations < 2 * math.sqrt(math.log10(images) / images)
    cut = next((lag for lag in range(1, most - row + 2) if small[lag : lag + row].all()), None)
    lags = most if cut is None else min(2 * cut, most)
    lag = np.arange(1, lags + 1)
    window = np.minimum(1, 2 * (1 - lag / max(lags, 1)))
    slope = 2 * float((window * lag * covariances[1 : lags + 1]).sum())
    variance = covariances[0] + 2 * float((window * covariances[1 : lags + 1]).sum())
    longest = min(math.ceil(min(3 * math.sqrt(images), images / 3)), groups.largest)
    if variance == 0:
        return float(longest)
    length = (1.5 * slope**2 / variance**2 * images) ** (1 / 3)
    return float(min(max(length, 1.0), longest))


def _autocovariances(ordered: FloatArray, groups: Groups, most: int) -> tuple[FloatArray, FloatArray]:
    """Return autocovariances and absolute autocorrelations of lags 0..most, means over the series ``(m, n)``."""
    images = ordered.shape[1]
    ranks = groups.rank[groups.order]
    covariances, correlations = np.zeros(most + 1), np.ones(most + 1)
    for lag in range(most + 1):
        later = np.flatnonzero(ranks >= lag)  # of these, the image that many places before is of the same group
        products = (ordered[:, later] * ordered[:, later - lag]).sum(1)
        norms = np.sqrt((ordered[:, later] ** 2).sum(1) * (ordered[:, later - lag] ** 2).sum(1))
        covariances[lag] = products.mean() / images
        correlations[lag] = abs(np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0).mean())
    return covariances, correlations
