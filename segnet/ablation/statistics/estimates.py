"""Means over seeds with intervals that hold for further seeds and further images.

A score, or a difference between two arms paired by seed, is taken once a seed, and always on the same test images:

    value of seed s = mean + noise of this seed + noise of these images, the same for every seed

The first noise averages out over seeds and is estimated by their spread; the second does not, and is estimated by
resampling the images (:func:`segnet.ablation.statistics.image_covariance`). It is the model of several readers who
all read the same cases: Obuchowski & Rockette 1995; Hillis 2007.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from segnet.resampling.interval import CONFIDENCE, FloatArray, Interval


class Estimate(NamedTuple):
    """A mean over seeds; fields are arrays of the shape of the quantities, of one quantity numpy's floats.

    Attributes:
        mean: over the seeds.
        deviation: standard deviation over the seeds (n - 1); NaN for one seed.
        seeds: number of seeds.
        interval: for the mean; NaN for one seed.
        p_value: two-sided, of the mean being 0; NaN for one seed, or where neither seeds nor images show any noise
            and the mean is not 0.
    """

    mean: FloatArray
    deviation: FloatArray
    seeds: int
    interval: tuple[FloatArray, FloatArray]
    p_value: FloatArray

    def float_interval(self) -> Interval:
        """Return the interval of a single quantity as plain floats."""
        low, high = self.interval
        return Interval(float(low), float(high))


def half_width(
    alpha: float | FloatArray,
    seeds: int,
    variance: float | FloatArray,
    covariance: float | FloatArray,
    degrees: float = np.inf,
) -> FloatArray:
    """Half the width of the interval of level ``1 - alpha``: ``sqrt(t^2 variance / seeds + u^2 covariance)``.

    Howe 1974 (also Zou & Donner 2008): each part of the noise with its own quantile, Student's t of ``seeds - 1``
    degrees for the one estimated from few seeds, and of ``degrees`` for the one estimated from images. Satterthwaite's
    degrees of freedom in its place leave intervals of 2 or 3 seeds too short: ``scripts/verdict_simulation.py``.

    Args:
        alpha: the error that is allowed, two-sided; may be an array.
        seeds: number of seeds, 2 or more.
        variance: over the seeds.
        covariance: the noise that all seeds share, 0 for no image noise.
        degrees: of freedom of ``covariance``; infinite where it is known.
    """
    level = 1 - alpha / 2
    t = special.stdtrit(seeds - 1, level)
    u = special.stdtrit(degrees, level) if np.isfinite(degrees) else special.ndtri(level)
    half: FloatArray = np.sqrt(t**2 * variance / seeds + u**2 * covariance)
    return half


def estimate(
    values: npt.ArrayLike,
    covariance: float | FloatArray = 0.0,
    confidence: float = CONFIDENCE,
    degrees: float = np.inf,
) -> Estimate:
    """Estimate a mean over seeds.

    Args:
        values: ``(..., S)``, one for each of S seeds: scores of an arm, or differences between two arms, paired.
        covariance: ``(...)``, the noise that two seeds share since they are scored on the same images; 0 leaves
            out the images: the interval is then Student's, and holds for further seeds on this very split.
        confidence: of the interval.
        degrees: of freedom of ``covariance``, see :meth:`segnet.ablation.statistics.Blocks.degrees`.
    """
    given = np.asarray(values, dtype=float)
    seeds = given.shape[-1]
    mean = np.asarray(given.mean(-1) if seeds else np.full(given.shape[:-1], np.nan))
    if seeds < 2:
        nothing = np.full(mean.shape, np.nan)[()]
        return Estimate(mean[()], nothing, seeds, (nothing, nothing), nothing)
    # Equal values have a spread of exactly 0, whatever the rounding of their mean.
    variance = np.where(np.ptp(given, axis=-1) == 0, 0.0, given.var(-1, ddof=1))
    shared = np.maximum(np.asarray(covariance, dtype=float), 0.0)
    half = half_width(1 - confidence, seeds, variance, shared, degrees)
    return Estimate(
        mean[()],
        np.sqrt(variance)[()],
        seeds,
        ((mean - half)[()], (mean + half)[()]),
        _p_value(mean, seeds, variance, shared, degrees)[()],
    )


def _p_value(mean: FloatArray, seeds: int, variance: FloatArray, covariance: FloatArray, degrees: float) -> FloatArray:
    """Find the level at which the interval ends at 0, by bisection of its logarithm."""
    low, high = np.full(mean.shape, np.log(1e-15)), np.zeros(mean.shape)
    for _ in range(50):
        middle = (low + high) / 2
        beyond = half_width(np.exp(middle), seeds, variance, covariance, degrees) > abs(mean)
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    without_noise = (variance == 0) & (covariance == 0)
    p_values = np.where(without_noise, np.where(mean == 0, 1.0, np.nan), np.exp(high))
    return np.where(np.isfinite(mean), p_values, np.nan)


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Correct p-values for several comparisons (Holm 1979): at 5%, at most 5% of whole experiments err.

    Args:
        p_values: ``(..., m)`` of m comparisons; NaN stands for no comparison, and stays NaN.

    Returns:
        Adjusted p-values of the same shape: the k-th smallest times ``m - k + 1``, none below a smaller one's, none
        above 1.
    """
    given = np.asarray(p_values, dtype=float)
    order = np.argsort(given, axis=-1)  # NaN comes last
    remaining = np.isfinite(given).sum(-1, keepdims=True) - np.arange(given.shape[-1])
    factored = np.take_along_axis(given, order, -1) * np.maximum(remaining, 1)
    adjusted = np.empty_like(given)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(factored, axis=-1), 1.0), -1)
    return adjusted


def effect_size(differences: npt.ArrayLike) -> float:
    """Mean of paired differences in units of their standard deviation, without its small-sample bias.

    Cohen's d of paired samples times ``Gamma(f/2) / (sqrt(f/2) Gamma((f-1)/2))``, ``f = seeds - 1`` (Hedges 1981). NaN
    for fewer than 3 seeds, where the correction does not exist, and where the differences are all the same.
    """
    values = np.asarray(differences, dtype=float)
    degrees = len(values) - 1
    if degrees < 2 or np.ptp(values) == 0:
        return float("nan")
    unbiased = np.exp(special.gammaln(degrees / 2) - special.gammaln((degrees - 1) / 2)) / np.sqrt(degrees / 2)
    return float(unbiased * values.mean() / values.std(ddof=1))
