"""The plan of an experiment: its factors, the settings that are held fixed, its seeds and its budget."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from segnet.ablation.design.records import PlanRecord
from segnet.config import quote
from segnet.errors import UserError

ALLOWANCES = ("parameters", "batches")
MEASURES = ("miou", "boundary_f1", "boundary_iou", "small_object_iou")
"""Scores that a plan can declare primary, as in ``metrics.json``."""


@dataclass(frozen=True)
class Arm:
    """One value of the factor, or one combination of the values of two.

    Attributes:
        name: the level's name; of two factors both, joined by "+".
        levels: the name of the level of each factor.
        overrides: added to the overrides that are held fixed, as on the command line of ``segnet-train``.
    """

    name: str
    levels: dict[str, str]
    overrides: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The name, fit for a file system."""
        return re.sub(r"[^\w.+=-]+", "_", self.name)


@dataclass(frozen=True)
class Tuning:
    """How the recipe is tuned before the arms are compared; every arm gets the same number of trials.

    Attributes:
        space: for each config path either a list of choices, or ``{low, high}`` with ``log: true`` for a
            logarithmic scale.
        trials: points of the space that are tried; for each arm if ``per_arm``, else with all arms.
        epochs: length of a trial's trainings; None: as long as the runs.
        per_arm: each arm gets values of its own from trials of its own; else one set of values, which has the
            best mean score over all arms, is shared by all.
        seed: of the trials' trainings and of the sampler; none of the seeds that are compared.
        parallel: trials that are chosen before the first of them is scored. The same for any engine, so that the choice
            does not depend on where it is made.
    """

    space: Mapping[str, Sequence[Any] | Mapping[str, Any]]
    trials: int = 10
    epochs: int | None = None
    per_arm: bool = False
    seed: int = 1000
    parallel: int = 2

    def __post_init__(self) -> None:
        for path, values in self.space.items():
            if isinstance(values, Mapping):
                good = {"low", "high"} <= set(values) <= {"low", "high", "log"} and values["low"] < values["high"]
            else:
                good = not isinstance(values, str) and len(values) > 0
            if not good:
                raise UserError(
                    f"tuning.space.{path} takes a list of choices, or a range such as "
                    f"{{low: 0.001, high: 0.1, log: true}}"
                )
        if not self.space or self.trials < 1 or self.parallel < 1:
            raise UserError("tuning needs a space with at least one config path, and trials and parallel of 1 or more")


@dataclass(frozen=True)
class Plan:
    """An experiment.

    Attributes:
        name: of the experiment.
        factors: for each factor, a config group such as ``upsampler`` or the path of a value such as ``optimizer.lr``,
            its levels: a list of values, or a mapping from a name to a value or to
            ``{value: ..., overrides: [...]}`` with further overrides of that level. Several factors are crossed.
        baseline: the arm that the others are compared with, by name; None: the first.
        primary: the score that carries the verdicts, of :data:`MEASURES`; the others are exploratory.
        seeds: seeds of the runs, each used in every arm; one number N stands for 0..N-1.
        epochs: budget of every run; None: the recipe's own.
        fixed: overrides of ``segnet-train`` that are the same in all arms.
        also_changes: config paths that may differ besides the factors; the plan is refused if others do.
        allow: differences beside the config that the factor is meant to make, of "parameters" (how shared parameters
            start) and "batches" (which the network is shown).
        match: run a second comparison in which the decoder's width makes the arms cost the same in "params" or "macs".
        tuning: tune the recipe first; None: take it as it is.

    Raises:
        UserError: the plan does not make an experiment; the message says why.
    """

    name: str
    factors: Mapping[str, Sequence[Any] | Mapping[str, Any]]
    baseline: str | None = None
    primary: str = "miou"
    seeds: Sequence[int] | int = 5
    epochs: int | None = None
    fixed: Sequence[str] = ()
    also_changes: Sequence[str] = ()
    allow: Sequence[str] = ()
    match: Literal["params", "macs"] | None = None
    tuning: Tuning | None = None
    arms: tuple[Arm, ...] = field(init=False)

    def __post_init__(self) -> None:
        seeds = tuple(range(self.seeds) if isinstance(self.seeds, int) else self.seeds)
        object.__setattr__(self, "seeds", seeds)
        if not self.factors or not all(self.factors.values()):
            raise UserError("a plan needs factors with their arms, as in factors={upsampler:[nearest,bilinear]}")
        object.__setattr__(self, "arms", tuple(_cross(self.factors)))
        names = [arm.name for arm in self.arms]
        if self.baseline is None:
            object.__setattr__(self, "baseline", names[0])
        self._check(names, seeds)

    def _check(self, names: list[str], seeds: tuple[int, ...]) -> None:
        if self.name is None or not re.fullmatch(r"[\w.+=-]+", str(self.name)):
            raise UserError(f"name={self.name} is not a valid name of an experiment: use letters, digits, - and _")
        if len(names) < 2:
            raise UserError(f"there is only the arm {names[0]}: a comparison needs two arms or more")
        listed: list[tuple[Sequence[object], str]] = [(names, "arm"), ([arm.folder for arm in self.arms], "arm")]
        for values, what in [*listed, (seeds, "seed")]:
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise UserError(f"the {what} {twice} is listed twice: leave one out, or give them different names")
        if self.baseline not in names:
            raise UserError(f"baseline={self.baseline} is not one of the arms: choose one of {', '.join(names)}")
        if not seeds:
            raise UserError("seeds is empty: give seeds=[0,1,2], or seeds=3 for the same")
        if self.primary not in MEASURES:
            raise UserError(f"primary={self.primary} is not a measure: choose one of {', '.join(MEASURES)}")
        if self.match not in (None, "params", "macs"):
            raise UserError(f"match={self.match} is not known: choose params or macs, or leave it out")
        if not set(self.allow) <= set(ALLOWANCES):
            raise UserError(f"allow={list(self.allow)} is not known: choose among {', '.join(ALLOWANCES)}")
        if self.tuning is not None and self.tuning.seed in seeds:
            raise UserError(
                f"tuning.seed={self.tuning.seed} is one of the seeds that are compared: choose another one for tuning"
            )

    @property
    def axis(self) -> tuple[str, ...]:
        """Config paths at or below which the arms may differ."""
        tuned = self.tuning.space if self.tuning is not None and self.tuning.per_arm else ()
        return tuple(dict.fromkeys([*map(package, self.factors), *self.also_changes, *tuned]))

    @property
    def base_overrides(self) -> list[str]:
        """What all runs share."""
        return [*self.fixed, *([f"trainer.max_epochs={self.epochs}"] if self.epochs is not None else [])]

    def as_record(self) -> PlanRecord:
        """Return the plan as plain values for YAML."""
        values = asdict(self)
        values["arms"] = {arm.name: {"levels": arm.levels, "overrides": list(arm.overrides)} for arm in self.arms}
        return cast(PlanRecord, _plain_values(values))


ELSEWHERE = {"augmentation": "data.augmentation", "mix": "data.mix"}
"""Groups whose values lie elsewhere in a config, as their files say by ``@package``."""


def package(factor: str) -> str:
    """Return the place in the config of a factor's value: ``encoder``, ``loss`` for ``loss@_global_.loss``, ..."""
    group, _, explicit = factor.lstrip("+").partition("@")
    place = (explicit or group).removeprefix("_global_.").replace("/", ".")
    return ELSEWHERE.get(place, place)


def override_text(path: str, value: Any) -> str:
    """Write an override in Hydra's grammar, as in ``encoder.widths=[8,16]``."""
    return f"{path}={_value_text(value)}"


def _value_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_value_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_value_text, value)) + "]"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    if re.fullmatch(r"[\w./+-]+", text):
        return text
    return quote(text)


def _cross(factors: Mapping[str, Any]) -> list[Arm]:
    levels = [_levels(factor, values) for factor, values in factors.items()]
    return [
        Arm(
            "+".join(name for name, _ in choice),
            {factor: name for factor, (name, _) in zip(factors, choice, strict=True)},
            tuple(itertools.chain.from_iterable(overrides for _, overrides in choice)),
        )
        for choice in itertools.product(*levels)
    ]


def _levels(factor: str, values: Any) -> list[tuple[str, list[str]]]:
    """Return name and overrides of each level."""
    if isinstance(values, (str, int, float)):
        raise UserError(f"the factor {factor} has a single value, {values}: give its arms as a list")
    named = values if isinstance(values, Mapping) else {_name(value): value for value in values}
    if not isinstance(values, Mapping) and len(named) < len(values):
        raise UserError(f"the factor {factor} names an arm twice: leave one out, or give them different names")
    levels = []
    for name, value in named.items():
        further: list[str] = []
        if isinstance(value, Mapping) and "value" in value:
            if not set(value) <= {"value", "overrides"}:
                raise UserError(f"the arm {name} of {factor} takes value and overrides, and nothing else")
            value, further = value["value"], list(value.get("overrides", ()))
        levels.append((str(name), [override_text(factor, value), *further]))
    return levels


def _name(value: Any) -> str:
    return _value_text(value).replace("'", "")


def _plain_values(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_values(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
