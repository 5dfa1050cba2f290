"""Arms made equal in cost by the width of their decoders."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

import torch
from torch import nn

from segnet.ablation.checks.costs import input_shape
from segnet.analysis import count_macs, count_parameters
from segnet.build import task_from_config, without_pretrained_weights
from segnet.config import Config, instantiate, with_values
from segnet.errors import UserError
from segnet.models import MirrorDecoder

TOLERANCE = 0.02
WIDTHS = "decoder.widths"
Widths = list[int | None]


def match_costs(
    configs: Mapping[str, Config], measure: Literal["params", "macs"], tolerance: float = TOLERANCE
) -> dict[str, Widths | None]:
    """Find decoder widths with which every arm costs as much as the most expensive one.

    The widths of all steps of an arm's decoder are multiplied by one factor, then single widths are changed by a
    channel at a time. The width that the upsampler works on is the encoder's, and stays. A step whose width is not the
    one that the next step takes is followed by a 1x1 convolution.

    Args:
        configs: the composed config of each arm, by name.
        measure: the cost that is made equal: "params", or "macs" for an image of the test split.
        tolerance: the largest relative difference that may remain.

    Returns:
        For each arm the value for ``decoder.widths``; None where it stays as it is.

    Raises:
        UserError: an arm cannot be brought to the cost.
    """
    costs = {name: _cost_function(config, measure) for name, config in configs.items()}
    as_is = {name: cost(None) for name, cost in costs.items()}
    target = max(as_is.values())
    costliest = max(as_is, key=as_is.__getitem__)
    matched: dict[str, Widths | None] = {}
    for name, config in configs.items():
        if abs(as_is[name] - target) <= tolerance * target:
            matched[name] = None
            continue
        widths, nearest = _search(costs[name], _present_widths(config, name), target, tolerance)
        if abs(nearest - target) > tolerance * target:
            raise UserError(
                f"match={measure} cannot bring the arm {name} within {tolerance:.0%} of {costliest} "
                f"({nearest:,} against {target:,} {measure} is the nearest): choose a wider or deeper decoder, the "
                f"other measure, or leave match out"
            )
        matched[name] = widths
    return matched


def with_widths(config: Config, widths: Widths) -> Config:
    """Return a config with these widths of the decoder, one for each step."""
    return with_values(config, {WIDTHS: widths})


def _body(config: Config) -> nn.Module:
    """Build the encoder-decoder without memory for its weights."""
    with torch.device("meta"):
        network: nn.Module = instantiate(without_pretrained_weights(config).model)
    return network


def _cost_function(config: Config, measure: str) -> Callable[[Widths | None], int]:
    shape = input_shape(config)

    def cost(widths: Widths | None) -> int:
        changed = config if widths is None else with_widths(config, widths)
        with torch.device("meta"):
            network = task_from_config(changed).wrap(_body(changed))
        return count_parameters(network) if measure == "params" else count_macs(network, shape)

    return cost


def _present_widths(config: Config, name: str) -> Widths:
    """Return the width of each step; None for a step without convolutions, which has no width of its own."""
    decoder = _body(config).decoder
    if not isinstance(decoder, MirrorDecoder) or not any(_convolves(stage) for stage in decoder.stages):
        raise UserError(
            f"match needs a decoder whose steps have a width, and that of the arm {name} has none: leave match out"
        )
    return [cast(int, stage.out_channels) if _convolves(stage) else None for stage in decoder.stages]


def _convolves(stage: nn.Module) -> bool:
    return any(True for _ in cast(nn.Module, stage.block).parameters())


def _search(cost: Callable[[Widths], int], present: Widths, target: int, tolerance: float) -> tuple[Widths, int]:
    """Return the widths whose cost comes nearest to the target, and that cost."""
    tried: dict[tuple[int | None, ...], int] = {}

    def cost_of(widths: Sequence[int | None]) -> int:
        if tuple(widths) not in tried:
            tried[tuple(widths)] = cost(list(widths))
        return tried[tuple(widths)]

    def scaled(factor: float) -> Widths:
        return [None if width is None else max(1, round(factor * width)) for width in present]

    low, high = 1 / 16, 1.0
    while cost_of(scaled(high)) < target and high < 64:
        high *= 2
    while high - low > 1 / (4 * max(width or 1 for width in present)):
        middle = (low + high) / 2
        low, high = (middle, high) if cost_of(scaled(middle)) < target else (low, middle)
    while True:
        best = min(tried, key=lambda widths: abs(tried[widths] - target))
        if abs(tried[best] - target) <= tolerance * target / 4:
            break
        for place, width in enumerate(best):
            if width is not None:
                for step in (-1, 1):
                    cost_of([*best[:place], max(1, width + step), *best[place + 1 :]])
        if min(tried, key=lambda widths: abs(tried[widths] - target)) == best:
            break
    return list(best), tried[best]
