"""Tuning the recipe, by Optuna: once for all arms, or for each arm with as many trials."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from segnet.ablation.design.plan import Arm, Plan, Tuning
from segnet.ablation.execution.runs import Run, plan_run, read_metrics, status
from segnet.errors import UserError

if TYPE_CHECKING:
    import optuna

Values = dict[str, Any]


def tune(
    plan: Plan, configs: Mapping[str, DictConfig], root: Path, run_all: Callable[[Sequence[Run]], None]
) -> tuple[dict[str, Values], dict[str, Any]]:
    """Search the space for the best validation score.

    The first trial is the recipe as it is. Trials are runs like any other: those that are done are reused, and since
    the sampler draws from a stream of its own, the same command asks for the same ones.

    Args:
        plan: its ``tuning`` says how.
        configs: the composed config of each arm, by name.
        root: the folder of all runs.
        run_all: works off runs.

    Returns:
        The chosen values of each arm, and a record of what was done.

    Raises:
        UserError: Optuna is not installed, a path is not in the config, or no trial of an arm could be scored.
    """
    tuning = plan.tuning
    arms = {arm.name: arm for arm in plan.arms}
    groups = [[name] for name in arms] if tuning.per_arm else [list(arms)]
    searches = [_Search(tuning, [(arms[name], configs[name]) for name in group], root) for group in groups]
    # All searches advance together, so that there is always work for every worker.
    while any(search.missing for search in searches):
        asked = [search.ask() for search in searches]
        run_all([run for trials in asked for _, runs in trials for run in runs])
        for search, trials in zip(searches, asked, strict=True):
            search.tell(trials)
    chosen = {name: search.best() for search, group in zip(searches, groups, strict=True) for name in group}
    return chosen, _record(tuning, groups, searches, chosen)


class _Search:
    """One study: trials that are each scored by the mean over some arms."""

    def __init__(self, tuning: Tuning, arms: Sequence[tuple[Arm, DictConfig]], root: Path) -> None:
        optuna = _optuna()
        task = arms[0][1].task
        self.tuning, self.arms, self.root, self.monitor = tuning, arms, root, task.monitor
        sampler = optuna.samplers.TPESampler(seed=tuning.seed)
        direction = {"max": "maximize", "min": "minimize"}[task.mode]
        self.study = optuna.create_study(sampler=sampler, direction=direction)
        self.study.enqueue_trial(self._present_values())
        self.trials: list[dict[str, Any]] = []

    def _present_values(self) -> Values:
        """Read off the recipe as it is; where that lies outside the space, the trial draws its own value."""
        present = {path: OmegaConf.select(self.arms[0][1], path, throw_on_missing=True) for path in self.tuning.space}
        for path, value in present.items():
            if value is None:
                raise UserError(f"tuning.space.{path} is not in the config: name a path that has a value")
        return {path: value for path, value in present.items() if _contains(self.tuning.space[path], value)}

    @property
    def missing(self) -> int:
        """Number of trials that are still to be made."""
        return self.tuning.trials - len(self.trials)

    def ask(self) -> list[tuple["optuna.Trial", list[Run]]]:
        """Choose the next trials, with a run an arm each."""
        trials = [self.study.ask() for _ in range(min(self.tuning.parallel, self.missing))]
        return [(trial, self._runs(_suggest(trial, self.tuning))) for trial in trials]

    def _runs(self, values: Values) -> list[Run]:
        runs = []
        for arm, config in self.arms:
            changed = with_values(config, values)
            if self.tuning.epochs is not None:
                changed.trainer.max_epochs = self.tuning.epochs
            runs.append(plan_run(arm, changed, self.tuning.seed, "tuning", self.root))
        return runs

    def tell(self, trials: Sequence[tuple["optuna.Trial", list[Run]]]) -> None:
        """Score trials; one in which a run failed counts as made, and has no score."""
        for trial, runs in trials:
            done = all(status(run.folder) == "completed" for run in runs)
            scores = [read_metrics(run.folder)[self.monitor] for run in runs] if done else []
            score = statistics.fmean(scores) if done and None not in scores else None
            if score is None:
                self.study.tell(trial, state=_optuna().trial.TrialState.FAIL)
            else:
                self.study.tell(trial, score)
            folders = [str(run.folder.relative_to(self.root.parent)) for run in runs]
            self.trials.append({"values": trial.params, "score": score, "runs": folders})

    def best(self) -> Values:
        """Return the values of the best trial."""
        if all(trial["score"] is None for trial in self.trials):
            names = ", ".join(arm.name for arm, _ in self.arms)
            raise UserError(f"no trial of tuning could be scored for {names}: see output.txt in their run folders")
        return dict(self.study.best_params)


def with_values(config: DictConfig, values: Values) -> DictConfig:
    """Return a config with other values at some paths."""
    config = config.copy()
    for path, value in values.items():
        OmegaConf.update(config, path, value)
    return config


def _suggest(trial: "optuna.Trial", tuning: Tuning) -> Values:
    values = {}
    for path, space in tuning.space.items():
        if not isinstance(space, Mapping):
            values[path] = trial.suggest_categorical(path, list(space))
        else:
            whole = isinstance(space["low"], int) and isinstance(space["high"], int)
            suggest = trial.suggest_int if whole else trial.suggest_float
            values[path] = suggest(path, space["low"], space["high"], log=bool(space.get("log", False)))
    return values


def _contains(space: Sequence[Any] | Mapping[str, Any], value: Any) -> bool:
    if isinstance(space, Mapping):
        return isinstance(value, (int, float)) and space["low"] <= value <= space["high"]
    return value in space


def _record(
    tuning: Tuning, groups: Sequence[Sequence[str]], searches: Sequence[_Search], chosen: Mapping[str, Values]
) -> dict[str, Any]:
    how = "separately for each arm" if tuning.per_arm else "once for all arms, by the mean score over them"
    monitor = searches[0].monitor
    said = (
        f"the recipe was tuned {how}: {tuning.trials} trials, one training an arm in each, seed {tuning.seed}, best "
        f"{monitor}; every arm had {tuning.trials} trainings"
    )
    return {
        "said": said,
        "per_arm": tuning.per_arm,
        "monitor": monitor,
        "trainings_of_each_arm": {
            name: len(search.trials) for search, group in zip(searches, groups, strict=True) for name in group
        },
        "chosen": dict(chosen),
        "searches": [
            {"arms": list(group), "trials": search.trials} for search, group in zip(searches, groups, strict=True)
        ],
    }


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise UserError('tuning wants Optuna, which is not installed: pip install "segnet[ablation]"') from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
