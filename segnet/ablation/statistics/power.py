"""What an experiment could have seen: the chance of finding a difference, at the noise that was measured."""

import functools
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from segnet.ablation.statistics.estimates import half_width
from segnet.resampling.interval import FloatArray

POWER = 0.8
MOST_SEEDS = 1000
_GRID = (np.arange(500) + 0.5) / 500


@functools.cache
def _mean_squares(degrees: int) -> FloatArray:
    """Evenly spaced quantiles of a chi-squared variable, divided by its degrees; kept, since they take long to find."""
    quantiles: FloatArray = special.chdtri(degrees, 1 - _GRID)
    return quantiles / degrees


def power(
    difference: float,
    seeds: int,
    deviation: float,
    covariance: float = 0.0,
    alpha: float = 0.05,
    degrees: float = np.inf,
) -> float:
    """Chance that the interval of :func:`segnet.ablation.statistics.estimate` leaves out 0.

    The mean of the differences is normal, its estimated variance an independent chi-squared one, over whose quantiles
    the chance is averaged; without image noise it is the power of the paired t-test.

    Args:
        difference: the true one.
        seeds: number of seeds, 2 or more.
        deviation: standard deviation of the paired differences over seeds.
        covariance: the image noise, see :func:`segnet.ablation.statistics.image_covariance`.
        alpha: the error that is allowed, two-sided.
        degrees: of freedom of ``covariance``, see :meth:`segnet.ablation.statistics.Blocks.degrees`.
    """
    variances = deviation**2 * _mean_squares(seeds - 1)
    halves = half_width(alpha, seeds, variances, covariance, degrees)
    spread = np.sqrt(deviation**2 / seeds + covariance)
    if spread == 0:
        return float(difference != 0)
    chances = special.ndtr((difference - halves) / spread) + special.ndtr((-difference - halves) / spread)
    return float(chances.mean())


class Design(NamedTuple):
    """What an experiment makes of a true difference (Gelman & Carlin 2014).

    Attributes:
        power: chance that it is found, in either direction.
        wrong_sign: of the times that one is found, the share in which its sign is wrong (type S error).
        exaggeration: how many times larger than the true one a found difference is on average (type M error).
    """

    power: float
    wrong_sign: float
    exaggeration: float


def analyse_design(
    difference: float,
    seeds: int,
    deviation: float,
    covariance: float = 0.0,
    alpha: float = 0.05,
    degrees: float = np.inf,
) -> Design:
    """Compute what the experiment makes of a true difference; NaN for one seed, or without noise.

    Takes the arguments of :func:`power`, and has its model; the difference is not that which was found, which would
    only say again how small the p-value is.
    """
    spread = float(np.sqrt(deviation**2 / max(seeds, 1) + covariance))
    if seeds < 2 or not spread > 0 or difference == 0:
        return Design(np.nan, np.nan, np.nan)
    size = abs(difference)
    halves = half_width(alpha, seeds, deviation**2 * _mean_squares(seeds - 1), covariance, degrees)
    above, below = (size - halves) / spread, (-size - halves) / spread
    right, wrong = special.ndtr(above).mean(), special.ndtr(below).mean()
    densities = (np.exp(-(above**2) / 2) + np.exp(-(below**2) / 2)).mean() / np.sqrt(2 * np.pi)
    found = right + wrong
    if found == 0:
        return Design(0.0, np.nan, np.nan)
    mean_size = (size * (right - wrong) + spread * densities) / found
    return Design(float(found), float(wrong / found), float(mean_size / size))


def smallest_detectable(
    seeds: int,
    deviation: float,
    covariance: float = 0.0,
    alpha: float = 0.05,
    degrees: float = np.inf,
    chance: float = POWER,
) -> float:
    """Find the smallest difference that would be found with the given chance; NaN for one seed.

    Takes the arguments of :func:`power`.
    """
    if seeds < 2:
        return float("nan")
    if deviation == 0 and covariance == 0:
        return 0.0
    # At this bound the chance is near 1: the interval at the largest variance of the grid still leaves 0 out.
    largest = deviation**2 * _mean_squares(seeds - 1)[-1]
    largest_half = float(half_width(alpha, seeds, largest, covariance, degrees))
    bound = largest_half + 4 * np.sqrt(deviation**2 / seeds + covariance)

    def missing(size: float) -> float:
        return power(size, seeds, deviation, covariance, alpha, degrees) - chance

    return float(optimize.brentq(missing, 0, bound, rtol=1e-6))


def seeds_to_detect(
    difference: float,
    deviation: float,
    covariance: float = 0.0,
    alpha: float = 0.05,
    degrees: float = np.inf,
    chance: float = POWER,
) -> int | None:
    """Find how many seeds it takes to see a difference with the given chance.

    Takes the arguments of :func:`power`.

    Returns:
        The number of seeds, 2 or more; None where 1000 are not enough: then it is the test images that are too few.
    """
    if not np.isfinite(deviation) or power(difference, MOST_SEEDS, deviation, covariance, alpha, degrees) < chance:
        return None
    low, high = 1, MOST_SEEDS  # the chance grows with the seeds
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(difference, middle, deviation, covariance, alpha, degrees) >= chance
        low, high = (low, middle) if enough else (middle, high)
    return high
