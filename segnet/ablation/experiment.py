"""A whole experiment: from a plan to a folder of runs with proof, costs and results."""

import contextlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout

from segnet import __version__
from segnet.ablation.checks.costs import measure_costs
from segnet.ablation.checks.fairness import check_start, check_trained
from segnet.ablation.checks.matching import WIDTHS, match_costs, with_widths
from segnet.ablation.checks.records import CostsRecord, FairnessCheck, FairnessRecord
from segnet.ablation.design.axis import check_axis
from segnet.ablation.design.files import COSTS, EXPERIMENT, FAIRNESS, LOCK, PLAN, RUNS, TUNING, TUNING_RUNS
from segnet.ablation.design.plan import Plan
from segnet.ablation.design.records import AxisComparison
from segnet.ablation.design.runs import AS_IS, MATCHED, Kind, Run, config_key, plan_run
from segnet.ablation.execution.engines import Engine, InProcess, run_all
from segnet.ablation.execution.progress import show_progress
from segnet.ablation.execution.records import ExperimentRecord, RunEntry, TuningRecord
from segnet.ablation.execution.run_state import seconds_trained, status
from segnet.ablation.execution.tuning import tune
from segnet.ablation.report.writing import write_report
from segnet.ablation.results.bundle import take_runs
from segnet.config import Config, Values, compose, get_value, to_values, values_to_yaml, with_values
from segnet.errors import UserError
from segnet.number_format import format_duration
from segnet.run_folder import read_json, read_metrics, write_whole
from segnet.training.version import TRAINING_VERSION

EVERY_RUN = (
    "callbacks.progress_bar=null",
    "+callbacks.batch_record={_target_:segnet.training.batch_record.BatchRecord,run_dir:'${run_dir}'}",
)
"""What an experiment adds to the recipe."""
Configs = Mapping[str, Config]
"""By arm."""


def run_ablation(
    plan: Plan, experiment_dir: str | Path, engine: Engine | None = None, bundle_dir: str | Path | None = None
) -> ExperimentRecord:
    """Prove that the comparison is fair, train the runs that are missing, and write the results.

    Calling it again with the same plan and folder trains only the runs that are not completed.

    Args:
        plan: the plan.
        experiment_dir: the folder; it gets ``plan.yaml``, ``fairness.json``, ``costs.json``, ``experiment.json``, the
            results and the report, and ``runs/<arm>/<seed>-<key>/``.
        engine: where the runs are trained; None: one after another in this process.
        bundle_dir: a bundle of the experiment (:func:`segnet.ablation.results.bundle.pack`), whose finished runs are
            taken as they are.

    Returns:
        The content of ``experiment.json``. Its ``status`` is "completed", "incomplete" (runs failed or were killed) or
        "unfair" (runs were trained on different batches).

    Raises:
        UserError: the plan is refused, another process is using the folder, or the bundle does not fit.
    """
    root = Path(experiment_dir).absolute()
    with lock_folder(root):
        return _Experiment(plan, root, engine or InProcess(), bundle_dir).run()


@contextlib.contextmanager
def lock_folder(root: Path) -> Iterator[None]:
    """Keep other processes out of an experiment folder.

    Raises:
        UserError: another process has locked it.
    """
    root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / LOCK, timeout=0):
            yield
    except Timeout:
        raise UserError(f"another command is using {root}: wait for it, or name another ablation_dir") from None


class _Experiment:
    def __init__(self, plan: Plan, root: Path, engine: Engine, bundle_dir: str | Path | None) -> None:
        self.plan, self.root, self.engine, self.bundle_dir = plan, root, engine, bundle_dir
        self.seeds, self.baseline = cast(tuple[int, ...], plan.seeds), cast(str, plan.baseline)  # of a checked plan
        self.started = time.time()
        self.runs: list[Run] = []
        self.tuning: TuningRecord | None = None

    def run(self) -> ExperimentRecord:
        base = compose([*self.plan.base_overrides, *EVERY_RUN])
        configs = self._arm_configs(base)
        tunes_per_arm = self.plan.tuning is not None and self.plan.tuning.per_arm
        axis = None if tunes_per_arm else check_axis(configs, self.plan.axis)
        configs = self._tuned(configs)
        variants: dict[Kind, Configs] = {AS_IS: configs}
        checks: dict[str, FairnessCheck] = {AS_IS: self._check(configs, axis or check_axis(configs, self.plan.axis))}
        if self.plan.match:
            matched = variants[MATCHED] = self._matched(configs)
            checks[MATCHED] = self._check(matched, check_axis(matched, [*self.plan.axis, WIDTHS]))
        fairness: FairnessRecord = {"axis": list(self.plan.axis), "checked": checks}
        self._write(FAIRNESS, fairness)
        self._write_costs(variants)
        arms = {arm.name: arm for arm in self.plan.arms}
        self.runs = [
            plan_run(arms[name], config, seed, kind, self.root / RUNS)
            for kind, variant in variants.items()
            for seed in self.seeds
            for name, config in variant.items()
        ]
        if self.bundle_dir is not None:
            print(take_runs(self.bundle_dir, self.root, self.runs))
        self._write_plan(variants)
        self._write_record("running", base.task.monitor)
        try:
            self._train(self.runs, self.plan.name)
        finally:
            completed = [run for run in self.runs if status(run.folder) == "completed"]
            fairness["trained"] = check_trained(completed, self.plan.allow)
            problems = fairness["trained"]["problems"]
            self._write(FAIRNESS, fairness)
            outcome = "completed" if len(completed) == len(self.runs) else "incomplete"
            record = self._write_record("unfair" if problems else outcome, base.task.monitor)
        self._print_outcome(record, problems)
        write_report(self.root)
        return record

    def _check(self, configs: Configs, axis: AxisComparison) -> FairnessCheck:
        return {**axis, **check_start(configs, self.seeds, self.plan.allow)}

    def _arm_configs(self, base: Config) -> dict[str, Config]:
        devices = base.trainer.devices
        if devices not in (1, "1"):
            raise UserError(
                f"trainer.devices={devices}: each run of an experiment trains on one device, and several runs side by "
                f"side with hydra/launcher=joblib; leave trainer.devices=1"
            )
        configs = {}
        for arm in self.plan.arms:
            configs[arm.name] = compose([*self.plan.base_overrides, *EVERY_RUN, *arm.overrides])
            configs[arm.name].run_dir = ""  # the time is in it
            if (minutes := configs[arm.name].budget_minutes) is not None:
                raise UserError(
                    f"budget_minutes={minutes} would give each run of an experiment a length of its own: set epochs"
                )
            if configs[arm.name].find_lr:
                raise UserError(
                    "find_lr=true would give each run of an experiment a learning rate of its own: set optimizer.lr, "
                    "or let the plan tune it"
                )
        return configs

    def _tuned(self, configs: dict[str, Config]) -> dict[str, Config]:
        if self.plan.tuning is None:
            return configs
        chosen, self.tuning = tune(
            self.plan.arms,
            self.plan.tuning,
            configs,
            self.root / TUNING_RUNS,
            lambda runs: self._train(runs, f"{self.plan.name}, tuning"),
        )
        return {name: with_values(config, chosen[name]) for name, config in configs.items()}

    def _matched(self, configs: Configs) -> dict[str, Config]:
        assert self.plan.match is not None
        widths = match_costs(configs, self.plan.match)
        return {
            name: config if (arm_widths := widths[name]) is None else with_widths(config, arm_widths)
            for name, config in configs.items()
        }

    def _train(self, runs: Sequence[Run], title: str) -> None:
        with show_progress(runs, title):
            run_all(runs, self.engine, lambda text: print(f"{title}: {text}", file=sys.stderr))

    def _write_costs(self, variants: Mapping[Kind, Configs]) -> None:
        """Measure the costs; a repeated command keeps those that it measured on the same configs."""
        old = cast(dict[str, CostsRecord], read_json(self.root / COSTS))
        costs: dict[str, CostsRecord] = {}
        for kind, configs in variants.items():
            keys = {name: config_key(config) for name, config in configs.items()}
            known = old.get(kind)
            costs[kind] = known if known and known.get("keys") == keys else {"keys": keys, **measure_costs(configs)}
        self._write(COSTS, costs)

    def _write_plan(self, variants: Mapping[Kind, Configs]) -> None:
        """Write the plan with all that was decided, and the config of the baseline."""
        plan = self.plan.as_record()
        plan["axis"] = list(self.plan.axis)
        plan["decoder_widths"] = {
            kind: {name: get_value(config, WIDTHS) for name, config in configs.items()}
            for kind, configs in variants.items()
            if kind == MATCHED
        }
        plan["baseline_config"] = to_values(variants[AS_IS][self.baseline])
        write_whole(self.root / PLAN, values_to_yaml(cast(Values, plan)))
        if self.tuning is not None:
            self._write(TUNING, self.tuning)

    def _write_record(self, outcome: str, monitor: str) -> ExperimentRecord:
        folders = {run.folder for run in self.runs}
        record: ExperimentRecord = {
            "name": self.plan.name,
            "status": outcome,
            "baseline": self.baseline,
            "primary": self.plan.primary,
            "seeds": list(self.seeds),
            "match": self.plan.match,
            "monitor": monitor,
            "tuning": self.tuning["said"] if self.tuning else "the recipe was not tuned for this experiment",
            "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started)),
            "wall_seconds": round(time.time() - self.started, 3),
            "run_seconds": round(sum(map(seconds_trained, folders)), 3),
            "train_seconds": round(sum(read_metrics(folder).get("train_seconds", 0.0) for folder in folders), 3),
            "engine": self.engine.name,
            "workers": self.engine.workers,
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "versions": {name: version(name) for name in ("torch", "pytorch-lightning", "hydra-core", "numpy")}
            | {"segnet": __version__, "training": str(TRAINING_VERSION), "python": platform.python_version()},
            "git_commit": _git_commit(),
            "runs": [self._describe(run) for run in self.runs],
        }
        self._write(EXPERIMENT, record)
        return record

    def _describe(self, run: Run) -> RunEntry:
        return {
            "arm": run.arm.name,
            "levels": run.arm.levels,
            "kind": run.kind,
            "seed": run.seed,
            "key": run.key,
            "folder": run.folder.relative_to(self.root).as_posix(),
            "status": status(run.folder),
            "error": read_metrics(run.folder).get("error"),
            "seconds": seconds_trained(run.folder),
        }

    def _print_outcome(self, record: ExperimentRecord, problems: Sequence[str]) -> None:
        for problem in problems:
            print(f"unfair: {problem}")
        for run in record["runs"]:
            if run["status"] != "completed":
                print(f"{run['arm']}, seed {run['seed']}: {run['status']}{': ' + run['error'] if run['error'] else ''}")
        print(f"experiment folder: {self.root} ({record['status']} in {format_duration(record['wall_seconds'])})")

    def _write(self, name: str, values: Mapping[str, object]) -> None:
        write_whole(self.root / name, json.dumps(values, indent=2) + "\n")


def _git_commit() -> str | None:
    """Return the commit of the code, marked where files have changed since; None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout

    try:
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.strip() + ("+changes" if changes.strip() else "")
