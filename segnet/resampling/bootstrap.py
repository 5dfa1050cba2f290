"""Resampling the test images: how the scores would vary over other images of the same kind."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from segnet.resampling.blocks import Blocks, groups_of
from segnet.resampling.interval import CONFIDENCE, FloatArray, Interval

RESAMPLES = 10_000
CHUNK_NUMBERS = 8_000_000
"""Numbers of float64 that are held at a time, 64 MB."""


def bootstrap_values(
    sums: npt.ArrayLike,
    statistic: Callable[[FloatArray], FloatArray],
    resamples: int = RESAMPLES,
    seed: int = 0,
    blocks: Blocks | None = None,
) -> FloatArray:
    """Score resamples of the test images (Efron 1979; in blocks Politis & Romano 1992), all runs on the same ones.

    Args:
        sums: ``(..., n, *shape)`` with at least one leading axis; for each run and each of n images the counts that
            add up over images, ``shape`` being that of the argument of ``statistic``: two axes, such as ``(3, K)``.
        statistic: takes summed counts ``(..., *shape)`` to scores ``(...)``.
        resamples: how many, R.
        seed: of the drawing.
        blocks: which images are drawn together; None: each alone.

    Returns:
        ``(R, ...)``, the data-set-level score of each run on each resample.
    """
    counts = np.asarray(sums)
    runs, images, shape = counts.shape[:-3], counts.shape[-3], counts.shape[-2:]
    flat = np.moveaxis(counts, -3, 0).reshape(images, -1).astype(float)  # counts below 2^53 are exact
    random = np.random.default_rng(seed)
    chunk = max(1, CHUNK_NUMBERS // max(flat.shape[1], images))
    blocks = blocks or Blocks(groups_of(np.arange(images)), 1)
    scores = []
    for start in range(0, resamples, chunk):
        weights = blocks.draw(min(chunk, resamples - start), random).astype(float)
        scores.append(statistic((weights @ flat).reshape(-1, *runs, *shape)))
    return np.concatenate(scores)


def influences(sums: npt.ArrayLike, statistic: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Compute what each image does to the score, from the scores without it (the jackknife; Efron 1979).

    Args:
        sums: ``(..., n, *shape)``, see :func:`bootstrap_values`.
        statistic: see there.

    Returns:
        ``(..., n)``, ``n - 1`` times the score of all images minus that of the others; 0 where one is not defined.
    """
    counts = np.asarray(sums, dtype=float)
    total = counts.sum(-3)
    without = statistic(total[..., None, :, :] - counts)
    influence: FloatArray = np.nan_to_num((counts.shape[-3] - 1) * (statistic(total)[..., None] - without))
    return influence


def image_covariance(values: FloatArray, blocks: float) -> FloatArray:
    """Estimate the noise that all seeds share since they are scored on the same images.

    It is the mean covariance, over resamples, between two seeds (Obuchowski & Rockette 1995). The noise that images add
    to one seed alone is left out: it is in the spread over seeds already.

    Args:
        values: ``(R, ..., S)``, of R resamples and S seeds: scores, or paired differences of scores.
        blocks: number B of blocks in a resample, or of images that are drawn alone; the bootstrap's variance is
            ``(B - 1) / B`` of the one that is estimated.

    Returns:
        ``(...)``, 0 at least; for one seed its variance, for none, or without resamples, NaN.
    """
    seeds = values.shape[-1]
    if seeds == 0 or len(values) < 2:  # no resample leaves anything to score
        nothing: FloatArray = np.full(values.shape[1:-1], np.nan)[()]
        return nothing
    correction = blocks / max(blocks - 1, 1)
    own: FloatArray = values.var(0, ddof=1)
    if seeds == 1:
        return own[..., 0] * correction
    shared = (values.sum(-1).var(0, ddof=1) - own.sum(-1)) / (seeds * (seeds - 1))
    covariance: FloatArray = np.maximum(shared * correction, 0.0)
    return covariance


def image_interval(values: FloatArray, confidence: float = CONFIDENCE) -> Interval:
    """Percentile interval of a mean over seeds ``(R, S)``: it holds for further images and these very networks."""
    if values.size == 0:
        return Interval(np.nan, np.nan)
    low, high = np.nanquantile(values.mean(-1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))
