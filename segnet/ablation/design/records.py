"""What ``plan.yaml`` and the comparison of the arms' configs hold."""

from typing import Any, TypedDict

from segnet.config import Values

Space = list[Any] | dict[str, Any]
"""The choices of a tuned value, or its range."""


class ArmRecord(TypedDict):
    """An arm in ``plan.yaml``: the level of each factor, and its overrides."""

    levels: dict[str, str]
    overrides: list[str]


class TuningPlanRecord(TypedDict):
    """``tuning`` in ``plan.yaml``; see :class:`segnet.ablation.Tuning`."""

    space: dict[str, Space]
    trials: int
    epochs: int | None
    per_arm: bool
    seed: int
    parallel: int


class PlanRecord(TypedDict, total=False):
    """``plan.yaml``: the plan with all that was decided; see :class:`segnet.ablation.Plan`."""

    name: str
    factors: dict[str, list[Any] | dict[str, Any]]
    baseline: str
    primary: str
    seeds: list[int]
    epochs: int | None
    fixed: list[str]
    also_changes: list[str]
    allow: list[str]
    match: str | None
    tuning: TuningPlanRecord | None
    arms: dict[str, ArmRecord]
    axis: list[str]
    decoder_widths: dict[str, dict[str, list[int | None] | None]]
    """By comparison and arm, where arms were matched in cost."""
    baseline_config: Values


class AxisComparison(TypedDict):
    """How the configs of the arms differ.

    Attributes:
        differing: for each differing key on the axis the value in each arm.
        derived: for each further differing key the path on the axis that it refers to.
    """

    differing: dict[str, dict[str, Any]]
    derived: dict[str, str]
