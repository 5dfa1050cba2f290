"""Tuning the recipe, by Optuna: once for all arms, or for each arm with as many trials."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segnet.ablation.design.files import OUTPUT
from segnet.ablation.design.plan import Arm, Tuning
from segnet.ablation.design.runs import Run, plan_run
from segnet.ablation.execution.records import TrialRecord, TuningRecord
from segnet.ablation.execution.run_state import status
from segnet.config import Config, Values, get_value, with_values
from segnet.errors import UserError
from segnet.extras import install_command
from segnet.run_folder import read_metrics

if TYPE_CHECKING:
    import optuna


def tune(
    arms: Sequence[Arm],
    tuning: Tuning,
    configs: Mapping[str, Config],
    root: Path,
    run_all: Callable[[Sequence[Run]], None],
) -> tuple[dict[str, Values], TuningRecord]:
    """Search the space for the best validation score.

    The first trial is the recipe as it is. Trials are runs like any other: those that are completed are reused, and
    since the sampler draws from a stream of its own, the same command asks for the same trials.

    Args:
        arms: of the plan.
        tuning: of the plan.
        configs: the composed config of each arm, by name.
        root: the folder of all trials' runs.
        run_all: trains runs.

    Returns:
        The chosen values of each arm, and a record of the trials.

    Raises:
        UserError: Optuna is not installed, a path is not in the config, or no trial of an arm could be scored.
    """
    groups = [[arm] for arm in arms] if tuning.per_arm else [list(arms)]
    searches = [_Search(tuning, [(arm, configs[arm.name]) for arm in group], root) for group in groups]
    # All searches advance together, so that there is always work for every worker.
    while any(search.missing for search in searches):
        asked = [search.ask() for search in searches]
        run_all([run for trials in asked for _, runs in trials for run in runs])
        for search, trials in zip(searches, asked, strict=True):
            search.tell(trials)
    chosen = {name: search.best() for search in searches for name in search.arm_names}
    return chosen, _record(tuning, searches, chosen)


class _Search:
    """One study: trials that are each scored by the mean over some arms."""

    def __init__(self, tuning: Tuning, arms: Sequence[tuple[Arm, Config]], root: Path) -> None:
        optuna = _optuna()
        task = arms[0][1].task
        self.tuning, self.arms, self.root, self.monitor = tuning, arms, root, task.monitor
        sampler = optuna.samplers.TPESampler(seed=tuning.seed)
        direction = {"max": "maximize", "min": "minimize"}[task.mode]
        self.study = optuna.create_study(sampler=sampler, direction=direction)
        self.study.enqueue_trial(self._present_values())
        self.trials: list[TrialRecord] = []

    @property
    def arm_names(self) -> list[str]:
        """Names of the arms that the search is for."""
        return [arm.name for arm, _ in self.arms]

    def _present_values(self) -> Values:
        """Return the recipe's own values; where one lies outside the space, the trial draws another."""
        present = {path: get_value(self.arms[0][1], path) for path in self.tuning.space}
        for path, value in present.items():
            if value is None:
                raise UserError(f"tuning.space.{path} is not in the config: name a path that has a value")
        return {path: value for path, value in present.items() if _contains(self.tuning.space[path], value)}

    @property
    def missing(self) -> int:
        """Number of trials that are still to be made."""
        return self.tuning.trials - len(self.trials)

    def ask(self) -> list[tuple["optuna.Trial", list[Run]]]:
        """Choose the next trials, each with one run for each arm."""
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
        """Score trials; a trial in which a run failed counts, and has no score."""
        for trial, runs in trials:
            done = all(status(run.folder) == "completed" for run in runs)
            scores = [read_metrics(run.folder)[self.monitor] for run in runs] if done else []
            score = statistics.fmean(scores) if done and None not in scores else None
            if score is None:
                self.study.tell(trial, state=_optuna().trial.TrialState.FAIL)
            else:
                self.study.tell(trial, score)
            folders = [run.folder.relative_to(self.root.parent).as_posix() for run in runs]
            self.trials.append({"values": trial.params, "score": score, "runs": folders})

    def best(self) -> Values:
        """Return the values of the best trial."""
        if all(trial["score"] is None for trial in self.trials):
            names = ", ".join(self.arm_names)
            raise UserError(f"no trial of tuning could be scored for {names}: see {OUTPUT} in their run folders")
        return dict(self.study.best_params)


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
        return isinstance(value, (int, float)) and bool(space["low"] <= value <= space["high"])
    return value in space


def _record(tuning: Tuning, searches: Sequence[_Search], chosen: Mapping[str, Values]) -> TuningRecord:
    how = "separately for each arm" if tuning.per_arm else "once for all arms, by the mean score over them"
    monitor = searches[0].monitor
    said = (
        f"the recipe was tuned {how}: {tuning.trials} trials, seed {tuning.seed}, best {monitor}; every arm had "
        f"{tuning.trials} trainings"
    )
    return {
        "said": said,
        "per_arm": tuning.per_arm,
        "monitor": monitor,
        "trainings_of_each_arm": {name: len(search.trials) for search in searches for name in search.arm_names},
        "chosen": dict(chosen),
        "searches": [{"arms": search.arm_names, "trials": search.trials} for search in searches],
    }


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise UserError(f"tuning needs Optuna, which is not installed: {install_command('ablation')}") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
