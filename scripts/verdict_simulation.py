"""Simulate experiments to see how often intervals hold the truth: ``python scripts/verdict_simulation.py``.

Differences have a part of the seed and a part that the images give to all seeds, both normal, of known variances. The
interval of :func:`segnet.ablation.statistics.estimate` stands beside two others: Student's t, which leaves the images
out, and the sum of both variances with Satterthwaite's degrees of freedom.

A second table is of images that are frames of two films, and of a class that occurs in few images: with blocks and
degrees of freedom as :mod:`segnet.resampling.blocks` chooses them, and with images drawn one by one.
"""

import numpy as np
from scipy import special

from segnet.ablation.statistics import (
    Blocks,
    bootstrap_values,
    choose_blocks,
    estimate,
    groups_of,
    image_covariance,
    influences,
)

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


FILMS = np.repeat([0, 1], [62, 171])
"""Frames of the two films of CamVid's test split."""
FEWER, RESAMPLES, SEEDS = 2000, 500, 5


def ratio(sums: np.ndarray) -> np.ndarray:
    """Mean over the images that carry something."""
    return sums[..., 0, 0] / np.maximum(sums[..., 1, 0], 1)


def differences_of_images(
    random: np.random.Generator, groups: np.ndarray, correlation: float, carrying: int
) -> np.ndarray:
    """Draw the difference of two arms on each image, ``(seeds, n, 2, 1)``: the value, and whether it is there.

    Neighbouring images of a group are correlated, and what they show is common to the seeds, which agree well.
    """
    images = len(groups)
    shown = random.normal(size=images)
    for image in range(1, images):
        if groups[image] == groups[image - 1]:
            shown[image] = correlation * shown[image - 1] + np.sqrt(1 - correlation**2) * shown[image]
    carries = np.zeros(images)
    carries[random.permutation(images)[:carrying]] = 1
    values = shown + 0.5 * random.normal(size=(SEEDS, images)) + 0.02 * random.normal(size=(SEEDS, 1))
    return np.stack([values * carries, np.broadcast_to(carries, values.shape)], axis=-1)[..., None]


def false_verdicts(
    random: np.random.Generator, groups: np.ndarray, correlation: float, carrying: int
) -> tuple[float, float, float]:
    """Return the share of false verdicts with images drawn alone and as chosen, and the mean length of blocks."""
    found, lengths, alone = [], [], Blocks(groups_of(np.arange(len(groups))), 1)
    for _ in range(FEWER):
        counts = differences_of_images(random, groups, correlation, carrying)
        values, influence = ratio(counts.sum(1)), influences(counts, ratio).mean(0)
        chosen = choose_blocks(groups_of(groups), [influence])
        p_values = []
        for blocks, degrees in ((alone, np.inf), (chosen, chosen.degrees(influence))):
            resampled = bootstrap_values(counts, ratio, RESAMPLES, 0, blocks)
            covariance = image_covariance(resampled, blocks.number)
            p_values.append(estimate(values, covariance, degrees=degrees).p_value)
        found.append(np.array(p_values) <= 0.05)
        lengths.append(chosen.length)
    before, now = np.mean(found, axis=0)
    return float(before), float(now), float(np.mean(lengths))


def of_images() -> None:
    print("| images | drawn alone | as chosen | length of blocks |")
    print("| --- | --- | --- | --- |")
    random = np.random.default_rng(0)
    for correlation in (0.0, 0.3, 0.5, 0.75):
        before, now, length = false_verdicts(random, FILMS, correlation, len(FILMS))
        print(f"| films, correlation {correlation} | {100 * before:.1f} | {100 * now:.1f} | {length:.1f} |")
    for carrying in (4, 10, 30):
        before, now, length = false_verdicts(random, np.arange(100), 0.0, carrying)
        print(f"| {carrying} of 100 carry the class | {100 * before:.1f} | {100 * now:.1f} | {length:.1f} |")


def main() -> None:
    print("| seeds | variance of seeds | of images | ours | Student's t | Satterthwaite |")
    print("| --- | --- | --- | --- | --- | --- |")
    random = np.random.default_rng(0)
    for seeds in (2, 3, 5, 10):
        for variance, covariance in NOISES:
            shares = " | ".join(f"{100 * share:.1f}" for share in covered(random, seeds, variance, covariance))
            print(f"| {seeds} | {variance} | {covariance} | {shares} |")
    print()
    of_images()


if __name__ == "__main__":
    main()
