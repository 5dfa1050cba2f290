"""Runs that are outliers of their arm, as one that diverged is."""

from collections.abc import Mapping

import numpy as np

from segnet.ablation.statistics.records import Outlier

TIMES, LEAST = 5.0, 3.0
"""How many robust deviations, and how many points at the least, an outlier lies from the median of its arm."""


def find_outliers(values: Mapping[str, Mapping[int, float]]) -> list[Outlier]:
    """Find the runs that lie far from the median of their arm.

    Further than 5 robust deviations, and 3 points: 1.4826 times the median distance of the runs of all arms from the
    medians of their own (Hampel 1974). In an arm of an odd number of runs the one that is the median is left out of it.
    An arm of fewer than 3 runs has no outliers: nobody could say which of two is wrong.

    Args:
        values: the score of each seed of each arm, in points.
    """
    enough = {arm: seeds for arm, seeds in values.items() if len(seeds) >= 3}
    medians = {arm: float(np.median(list(seeds.values()))) for arm, seeds in enough.items()}
    distances = []
    for arm, seeds in enough.items():
        of_arm = sorted(abs(value - medians[arm]) for value in seeds.values())
        distances += of_arm[len(of_arm) % 2 :]
    limit = max(TIMES * 1.4826 * float(np.median(distances)), LEAST) if distances else np.inf
    return [
        Outlier(arm, seed, value, medians[arm])
        for arm, seeds in enough.items()
        for seed, value in seeds.items()
        if abs(value - medians[arm]) > limit
    ]
