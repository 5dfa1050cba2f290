"""Scores and verdicts in words, the same in every table."""

import re
from collections.abc import Sequence

from segnet.ablation.results.records import ComparisonResult, Number, Numbers, VariantResult
from segnet.ablation.statistics.sentence import decimals_from_zero

MISSING = "–"  # noqa: RUF001 - an en dash
MINUS = "\N{MINUS SIGN}"


def points(value: Number, signed: bool = False, digits: int = 1) -> str:
    """Write a score in points: "62.0"; a difference with its sign."""
    if value is None:
        return MISSING
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return (f"{0:.{digits}f}" if float(text) == 0 else text).replace("-", MINUS)


def interval(ends: Numbers, signed: bool = False) -> str:
    """Write an interval: "[60.4, 63.5]"; empty where there is none. One that leaves out 0 never shows an end at 0."""
    low, high = ends
    if low is None or high is None:
        return ""
    digits = max(decimals_from_zero(low), decimals_from_zero(high)) if low > 0 or high < 0 else 1
    return f"[{points(low, signed, digits)}, {points(high, signed, digits)}]"


def p_value(value: Number) -> str:
    """Write a p-value: "0.012", "< 0.001"."""
    return MISSING if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def with_minus(sentence: str) -> str:
    """Set a minus sign before negative numbers of a sentence."""
    return re.sub(r"(?<![\w-])-(?=\d)", MINUS, sentence)


def join_names(names: Sequence[str]) -> str:
    """Join names: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sign_of(comparison: ComparisonResult) -> str:
    """Return the sign of better or worse: open where the comparison is exploratory, none without a difference."""
    signs = {"better": " △", "worse": " ▽"} if comparison["exploratory"] else {"better": " ▲", "worse": " ▼"}
    return signs.get(comparison["outcome"], "")


def rare_classes(variant: VariantResult) -> str:
    """Say which classes too few images carry; empty where there are none."""
    rare = variant["rare_classes"]
    if not rare:
        return ""
    found = join_names([f"{name} ({number})" for name, number in rare.items()])
    iou = "its IoU" if len(rare) == 1 else "their IoU"
    return (
        f"Too few of the {variant['images']} test images show {found}: {iou} hangs on each of these, and the mean over "
        f"classes with it; take differences in it as hints"
    )


def design(comparison: ComparisonResult) -> str:
    """Say what the experiment makes of a small true difference, and how likely a claim is false; empty if unknown."""
    parts = []
    if comparison["power"] is not None and comparison["exaggeration"] is not None:
        power = "less than 1%" if comparison["power"] < 0.01 else f"{comparison['power']:.0%}"
        parts.append(
            f"a true difference of {comparison['target']} would be found with a chance of {power}, and then look "
            f"{comparison['exaggeration']:.1f} times as large"
        )
    if comparison["wrong_sign"] is not None and comparison["wrong_sign"] >= 0.005:
        parts.append(f"with the wrong sign in {comparison['wrong_sign']:.0%} of cases")
    if comparison["false_claim"] is not None:
        claim = comparison["false_claim"]
        parts.append(f"P(false claim) {'< 0.1%' if claim < 0.001 else f'{claim:.1%}'}")
    return " · ".join(parts)


def resampling(comparison: ComparisonResult) -> str:
    """Say how the images of a comparison were resampled; empty where each stood alone."""
    if comparison["block_length"] <= 1:
        return ""
    return f"images in {comparison['blocks']:.0f} blocks of up to {comparison['block_length']}"


def headline(variant: VariantResult, baseline: str) -> str:
    """Say in a sentence or two how the arms compare with the baseline."""
    comparisons = variant["comparisons"].get(variant["primary"], [])
    if not comparisons:
        return f"Nothing can be compared yet: {variant['skipped'] or 'there is only one arm'}."
    arms = {
        outcome: [comparison["arm"] for comparison in comparisons if comparison["outcome"] == outcome]
        for outcome in ("better", "worse", "none", "no verdict")
    }
    for outcome in ("better", "worse"):
        if len(arms[outcome]) == len(comparisons) > 3:
            return f"All {len(comparisons)} other arms are {outcome} than {baseline}."
    clauses = [
        f"{join_names(arms[outcome])} {'is' if len(arms[outcome]) == 1 else 'are'} {outcome} than {baseline}"
        for outcome in ("better", "worse")
        if arms[outcome]
    ]
    undetected = arms["none"]
    if undetected and not clauses:
        return f"No difference from {baseline} was detected{'' if len(undetected) == 1 else ' in any arm'}."
    if undetected:
        clauses.append(f"no difference was detected for {join_names(undetected)}")
    if not clauses:
        verdict = comparisons[0]["verdict"]
        return f"{verdict[0].upper()}{verdict[1:]}."
    return "; ".join(clauses) + "."
