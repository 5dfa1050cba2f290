"""Numbers and findings in words, the same in every table."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

MISSING = "–"  # noqa: RUF001 - an en dash
MINUS = "\N{MINUS SIGN}"


def points(value: float | None, signed: bool = False) -> str:
    """Show a score in points: "62.0"; a difference with its sign."""
    if value is None:
        return MISSING
    text = f"{value:+.1f}" if signed else f"{value:.1f}"
    return ("0.0" if float(text) == 0 else text).replace("-", MINUS)


def interval(ends: Sequence[float | None], signed: bool = False) -> str:
    """Show an interval: "[60.4, 63.5]"; nothing where there is none."""
    if None in ends:
        return ""
    return f"[{points(ends[0], signed)}, {points(ends[1], signed)}]"


def count(value: float | None) -> str:
    """Show a number of things: "1.43 M"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value is not None and value >= size:
            return f"{value / size:.3g} {unit}" if value < 1000 * size else f"{value / size:,.0f} {unit}"
    return MISSING if value is None else f"{value:.0f}"


def memory(value: float | None) -> str:
    """Show bytes: "12.5 MiB"."""
    if value is None:
        return MISSING
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} B"


def milliseconds(value: float | None) -> str:
    """Show a time: "5.25 ms"."""
    return MISSING if value is None else f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"


def p_value(value: float | None) -> str:
    """Show a p-value: "0.012", "< 0.001"."""
    return MISSING if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def with_minus(sentence: str) -> str:
    """Set a minus sign before negative numbers of a sentence."""
    return re.sub(r"(?<![\w-])-(?=\d)", MINUS, sentence)


def names(values: Sequence[str]) -> str:
    """Join names: "a, b and c"."""
    return " and ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)


def headline(variant: Mapping[str, Any], baseline: str) -> str:
    """Say in a sentence or two what the comparison with the baseline came to."""
    found = variant["comparisons"].get("miou", [])
    if not found:
        return f"Nothing can be compared yet: {variant['skipped'] or 'there is one arm alone'}."
    groups = {
        outcome: [one["arm"] for one in found if one["outcome"] == outcome]
        for outcome in ("better", "worse", "none", "no verdict")
    }
    said = [
        f"{names(groups[outcome])} {'is' if len(groups[outcome]) == 1 else 'are'} {outcome} than {baseline}"
        for outcome in ("better", "worse")
        if groups[outcome]
    ]
    whole = next((outcome for outcome in ("better", "worse") if len(groups[outcome]) == len(found) > 3), None)
    if whole is not None:
        return f"All {len(found)} other arms are {whole} than {baseline}."
    silent = groups["none"]
    if silent and said:
        said.append(f"no difference was detected for {names(silent)}")
    elif silent:
        return f"No difference from {baseline} was detected{'' if len(silent) == 1 else ' in any arm'}."
    if not said:
        verdict = found[0]["verdict"]
        return f"{verdict[0].upper()}{verdict[1:]}."
    return "; ".join(said) + "."


COST_NAMES = {
    "params": ("parameters", count),
    "macs": ("multiplications", count),
    "plain_macs": ("plain multiplications", count),
    "activation_bytes": ("activations", memory),
    "index_bytes": ("pool indices", memory),
    "inference_ms": ("latency", milliseconds),
    "training_step_ms": ("training step", milliseconds),
}
"""For each cost its name and how a value is shown."""
