"""The small pictures in the table of arms: mean, interval and seeds on one scale."""

from typing import TypedDict

from segnet.ablation.results.records import Number, VariantResult


class Strip(TypedDict):
    """Positions of one arm's mean, interval and seeds."""

    mean: Number
    interval: list[Number]
    seeds: list[Number]


class Strips(TypedDict, total=False):
    """Positions in percent of the width; empty where no arm has a score."""

    baseline: Number
    arms: dict[str, Strip]


def strips(variant: VariantResult, baseline: str) -> Strips:
    """Place each arm's mean score, its interval and its seeds on one scale."""
    scores = {
        arm: score for arm, result in variant["arms"].items() if (score := result["scores"].get(variant["primary"]))
    }
    numbers = [
        number
        for score in scores.values()
        for number in (*score["values"].values(), *score["interval"])
        if number is not None
    ]
    if not numbers:
        return {}
    low, span = min(numbers), (max(numbers) - min(numbers)) or 1.0

    def place(number: Number) -> Number:
        return None if number is None else round(3 + 94 * (number - low) / span, 2)

    return {
        "baseline": place(scores[baseline]["mean"]) if baseline in scores else None,
        "arms": {
            arm: {
                "mean": place(score["mean"]),
                "interval": [place(end) for end in score["interval"]],
                "seeds": [place(value) for value in score["values"].values()],
            }
            for arm, score in scores.items()
        },
    }
