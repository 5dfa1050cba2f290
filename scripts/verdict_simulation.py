"""Simulate experiments to see how often intervals hold the truth: ``python scripts/verdict_simulation.py``.

Differences have a part of the seed and a part that the images give to all seeds, both normal, of known variances. The
interval of :func:`segnet.ablation.statistics.estimate` stands beside two others: Student's t, which leaves the images
out, and the sum of both variances with Satterthwaite's degrees of freedom.
"""

import numpy as np
from scipy import special

from segnet.ablation.statistics import estimate

EXPERIMENTS = 20_000
NOISES = ((1, 0), (1, 0.1), (1, 0.3), (1, 1), (0.1, 1))


def satterthwaite(values: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Half the width of the interval with Hillis' (2007) degrees of freedom."""
    seeds = values.shape[-1]
    variance = values.var(-1, ddof=1) / seeds
    degrees = (variance + covariance) ** 2 / (variance**2 / (seeds - 1))
    return special.stdtrit(degrees, 0.975) * np.sqrt(variance + covariance)


def covered(random: np.random.Generator, seeds: int, variance: float, covariance: float) -> list[float]:
    of_images = np.sqrt(covariance) * random.normal(size=(EXPERIMENTS, 1))
    values = of_images + np.sqrt(variance) * random.normal(size=(EXPERIMENTS, seeds))
    known = np.maximum(covariance * (1 + 0.15 * random.normal(size=EXPERIMENTS)), 0)
    ours, student = estimate(values, known), estimate(values)
    ends = [ours.interval, student.interval]
    half = satterthwaite(values, known)
    ends.append((values.mean(-1) - half, values.mean(-1) + half))
    return [float(np.mean((low <= 0) & (high >= 0))) for low, high in ends]


def main() -> None:
    print("| seeds | variance of seeds | of images | ours | Student's t | Satterthwaite |")
    print("| --- | --- | --- | --- | --- | --- |")
    random = np.random.default_rng(0)
    for seeds in (2, 3, 5, 10):
        for variance, covariance in NOISES:
            shares = " | ".join(f"{100 * share:.1f}" for share in covered(random, seeds, variance, covariance))
            print(f"| {seeds} | {variance} | {covariance} | {shares} |")


if __name__ == "__main__":
    main()
