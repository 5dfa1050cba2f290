"""The costs of arms as the report shows them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from segnet.ablation.report.text import MISSING
from segnet.ablation.results.records import ArmResult, Number, VariantResult
from segnet.number_format import format_bytes, format_count, format_milliseconds


class Cost(NamedTuple):
    """A cost: its name, and how a value is written."""

    name: str
    write: Callable[[float], str]

    def show(self, value: Number) -> str:
        """Write a value, or a dash where there is none."""
        return MISSING if value is None else self.write(value)


COSTS = {
    "params": Cost("parameters", format_count),
    "macs": Cost("MACs", format_count),
    "plain_macs": Cost("plain MACs", format_count),
    "activation_bytes": Cost("activations", format_bytes),
    "index_bytes": Cost("pool indices", format_bytes),
    "inference_ms": Cost("latency", format_milliseconds),
    "training_step_ms": Cost("training step", format_milliseconds),
}
"""By the keys of :class:`segnet.ablation.results.records.Costs`."""


def cost_of(arm: ArmResult, cost: str) -> Number:
    """Return one cost of an arm."""
    return cast(Mapping[str, Number], arm["costs"])[cost]


def same_costs(variant: VariantResult) -> list[str]:
    """Return the costs in which the arms do not differ."""
    costs = {cost: [cost_of(arm, cost) for arm in variant["arms"].values()] for cost in COSTS}
    return [cost for cost, values in costs.items() if values[0] and len(set(values)) == 1]


def shown_costs(variant: VariantResult) -> list[str]:
    """Return the costs that at least one arm has, and that say more than another one does."""
    costs = {cost: [cost_of(arm, cost) for arm in variant["arms"].values()] for cost in COSTS}
    shown = [cost for cost, values in costs.items() if any(value is not None for value in values)]
    if costs["plain_macs"] == costs["macs"]:
        shown = [cost for cost in shown if cost != "plain_macs"]
    return [cost for cost in shown if cost != "index_bytes" or any(costs[cost])]
