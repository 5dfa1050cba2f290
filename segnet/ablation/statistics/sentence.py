"""A comparison in words."""

import math

from segnet.ablation.statistics.records import Comparison


def verdict_sentence(comparison: Comparison) -> str:
    """Write the verdict of a comparison, or why there is none."""
    arms, seeds = f"{comparison.arm} and {comparison.baseline}", len(comparison.differences)
    if comparison.outcome in ("better", "worse"):
        return _difference_sentence(comparison) + (" (exploratory)" if comparison.exploratory else "")
    if comparison.outcome == "none":
        return _nothing_sentence(comparison)
    if seeds == 0:
        return f"no verdict on {arms}: no seed was trained with both"
    if not math.isfinite(comparison.difference):
        return f"no verdict on {arms}: {comparison.measure} is not defined on these images"
    if seeds == 1:
        return (
            f"no verdict on {arms}: one seed shows no noise between trainings; their difference of "
            f"{comparison.difference:+.1f} {comparison.measure} may be nothing else"
        )
    return (
        f"no verdict on {arms}: all {seeds} seeds differ by exactly the same "
        f"{comparison.difference:+.1f} {comparison.measure}, so that they are not separate trainings"
    )


def _difference_sentence(comparison: Comparison) -> str:
    low, high = comparison.interval
    sign = 1 if comparison.difference > 0 else -1
    ends = sorted((sign * low, sign * high))
    digits = max(_digits(high - low), decimals_from_zero(low), decimals_from_zero(high))
    return (
        f"{comparison.arm} is {comparison.outcome} than {comparison.baseline} by "
        f"{abs(comparison.difference):.{digits}f} {comparison.measure} [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"
    )


def _nothing_sentence(comparison: Comparison) -> str:
    arms, seeds = f"{comparison.arm} and {comparison.baseline}", len(comparison.differences)
    low, high = comparison.interval
    if comparison.deviation == 0:
        return f"no difference between {arms}: the same {comparison.measure} with each of {seeds} seeds"
    digits = _digits(high - low)
    if low > 0 or high < 0:
        digits = max(digits, decimals_from_zero(low), decimals_from_zero(high))
    sentence = f"no difference detected between {arms} with {seeds} seeds"
    if low > 0 or high < 0:
        sentence += (
            f": {comparison.difference:+.{digits}f} {comparison.measure} [{low:.{digits}f}, {high:.{digits}f}] is not "
            f"enough among {comparison.comparisons} comparisons"
        )
    smallest = f"{comparison.smallest_detectable:.{_digits(2 * comparison.smallest_detectable)}f}"
    return f"{sentence}; differences below {smallest} {comparison.measure} cannot be seen"


def decimals_from_zero(end: float) -> int:
    """Decimals, one at least, with which an end of an interval that leaves out 0 is not written as 0; 6 at most."""
    return next((digits for digits in range(1, 6) if round(abs(end), digits) > 0), 6)


def _digits(width: float) -> int:
    """Decimals that show an interval of this width: one, and more where it is narrower than a point."""
    return 1 if width >= 1 else min(4, 1 - math.floor(math.log10(width))) if width > 0 else 1
