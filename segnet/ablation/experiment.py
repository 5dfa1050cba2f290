"""A whole experiment: from a plan to a folder of runs with proof, costs and results."""

import contextlib
import fcntl
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from segnet import __version__
from segnet.ablation.checks.costs import measure_costs
from segnet.ablation.checks.fairness import check_start, check_trained
from segnet.ablation.checks.matching import WIDTHS, match_costs, with_widths
from segnet.ablation.design.axis import check_axis
from segnet.ablation.design.plan import Plan
from segnet.ablation.execution.engines import Engine, InProcess, run_all
from segnet.ablation.execution.progress import duration, shown
from segnet.ablation.execution.runs import Run, config_key, plan_run, read_metrics, seconds_worked, status
from segnet.ablation.execution.tuning import tune, with_values
from segnet.ablation.report.writing import COSTS, EXPERIMENT, write_report
from segnet.config import compose
from segnet.errors import UserError
from segnet.run_folder import write_whole

PLAN, FAIRNESS = "plan.yaml", "fairness.json"
AS_IS, MATCHED = "as_is", "matched"
EVERY_RUN = (
    "callbacks.progress_bar=null",
    "+callbacks.batch_record={_target_:segnet.training.batch_record.BatchRecord,run_dir:'${run_dir}'}",
)
"""What an experiment adds to the recipe."""


def run_ablation(plan: Plan, experiment_dir: str | Path, engine: Engine | None = None) -> dict[str, Any]:
    """Prove that the comparison is fair, run what is missing of it, and write its results.

    Calling it again with the same plan and folder goes on with what is not done.

    Args:
        plan: the plan.
        experiment_dir: where to; it gets ``plan.yaml``, ``fairness.json``, ``costs.json``, ``experiment.json``,
            ``results.csv`` and ``runs/<arm>/<seed>-<key>/``.
        engine: where the runs are worked off; None: one after another in this process.

    Returns:
        The content of ``experiment.json``. Its ``status`` is "completed", "incomplete" (runs failed or were killed) or
        "unfair" (runs were trained on different batches).

    Raises:
        UserError: the plan is refused, or another process is at work in the folder.
    """
    root = Path(experiment_dir).absolute()
    with _alone(root):
        return _Experiment(plan, root, engine or InProcess()).run()


class _Experiment:
    def __init__(self, plan: Plan, root: Path, engine: Engine) -> None:
        self.plan, self.root, self.engine = plan, root, engine
        self.started = time.time()
        self.runs: list[Run] = []
        self.tuning: dict[str, Any] | None = None

    def run(self) -> dict[str, Any]:
        base = compose([*self.plan.base_overrides, *EVERY_RUN])
        configs = self._arm_configs(base)
        on_axis = check_axis(configs, self.plan.axis) if not self._tunes_per_arm else None
        if self.plan.tuning is not None:
            configs = self._tuned(configs)
        on_axis = on_axis or check_axis(configs, self.plan.axis)
        variants = {AS_IS: configs, MATCHED: self._matched(configs)} if self.plan.match else {AS_IS: configs}
        fairness = {AS_IS: on_axis | check_start(configs, self.plan.seeds, self.plan.allow)}
        if self.plan.match:
            axis = [*self.plan.axis, WIDTHS]
            fairness[MATCHED] = check_axis(variants[MATCHED], axis) | check_start(
                variants[MATCHED], self.plan.seeds, self.plan.allow
            )
        self._write(FAIRNESS, {"axis": list(self.plan.axis), "checked": fairness})
        self._write_costs(variants)
        arms = {arm.name: arm for arm in self.plan.arms}
        self.runs = [
            plan_run(arms[name], config, seed, kind, self.root / "runs")
            for kind, of_kind in variants.items()
            for seed in self.plan.seeds
            for name, config in of_kind.items()
        ]
        self._write_plan(variants)
        self._write_record("running", base.task.monitor)
        try:
            self._work_off(self.runs, self.plan.name)
        finally:
            problems = self._check_trained(fairness)
            record = self._write_record(self._outcome(problems), base.task.monitor)
        self._say(record, problems)
        write_report(self.root)
        return record

    @property
    def _tunes_per_arm(self) -> bool:
        return self.plan.tuning is not None and self.plan.tuning.per_arm

    def _arm_configs(self, base: DictConfig) -> dict[str, DictConfig]:
        devices = base.trainer.devices
        if devices not in (1, "1"):
            raise UserError(
                f"trainer.devices={devices}: each run of an experiment trains on one device, and several runs side by "
                f"side with hydra/launcher=joblib; leave trainer.devices=1"
            )
        configs = {}
        for arm in self.plan.arms:
            configs[arm.name] = compose([*self.plan.base_overrides, *EVERY_RUN, *arm.overrides])
            configs[arm.name].run_dir = ""  # else the clock is in it
        return configs

    def _tuned(self, configs: Mapping[str, DictConfig]) -> dict[str, DictConfig]:
        chosen, self.tuning = tune(
            self.plan, configs, self.root / "tuning", lambda runs: self._work_off(runs, f"{self.plan.name}, tuning")
        )
        return {name: with_values(config, chosen[name]) for name, config in configs.items()}

    def _matched(self, configs: Mapping[str, DictConfig]) -> dict[str, DictConfig]:
        widths = match_costs(configs, self.plan.match)
        return {
            name: config if widths[name] is None else with_widths(config, widths[name])
            for name, config in configs.items()
        }

    def _work_off(self, runs: Sequence[Run], title: str) -> None:
        with shown(runs, title):
            run_all(runs, self.engine, lambda text: print(f"{title}: {text}", file=sys.stderr))

    def _write_costs(self, variants: Mapping[str, Mapping[str, DictConfig]]) -> None:
        """Measure what is new; a repeated command keeps what it measured on the same configs."""
        path = self.root / COSTS
        old = json.loads(path.read_text()) if path.is_file() else {}
        costs = {}
        for kind, configs in variants.items():
            keys = {name: config_key(config) for name, config in configs.items()}
            known = old.get(kind, {})
            costs[kind] = known if known.get("keys") == keys else {"keys": keys, **measure_costs(configs)}
        self._write(COSTS, costs)

    def _write_plan(self, variants: Mapping[str, Mapping[str, DictConfig]]) -> None:
        """Write the plan with all that was decided, and the config that the arms share."""
        values = self.plan.as_dict()
        values["axis"] = list(self.plan.axis)
        values["decoder_widths"] = {
            kind: {name: OmegaConf.select(config, WIDTHS) for name, config in configs.items()}
            for kind, configs in variants.items()
            if kind == MATCHED
        }
        values["baseline_config"] = OmegaConf.to_container(variants[AS_IS][self.plan.baseline], resolve=True)
        write_whole(self.root / PLAN, OmegaConf.to_yaml(OmegaConf.create(values)))
        if self.tuning is not None:
            self._write("tuning.json", self.tuning)

    def _check_trained(self, fairness: dict[str, Any]) -> list[str]:
        completed = [run for run in self.runs if status(run.folder) == "completed"]
        trained = check_trained(completed, self.plan.allow)
        self._write(FAIRNESS, {"axis": list(self.plan.axis), "checked": fairness, "trained": trained})
        return trained["problems"]

    def _outcome(self, problems: Sequence[str]) -> str:
        if problems:
            return "unfair"
        return "completed" if all(status(run.folder) == "completed" for run in self.runs) else "incomplete"

    def _write_record(self, outcome: str, monitor: str) -> dict[str, Any]:
        metrics = [read_metrics(run.folder) for run in self.runs]
        folders = {run.folder for run in self.runs}
        ended = time.time()
        record = {
            "name": self.plan.name,
            "status": outcome,
            "baseline": self.plan.baseline,
            "seeds": list(self.plan.seeds),
            "match": self.plan.match,
            "monitor": monitor,
            "tuning": self.tuning["said"] if self.tuning else "the recipe was not tuned for this experiment",
            "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started)),
            "wall_seconds": round(ended - self.started, 1),
            "run_seconds": round(sum(map(seconds_worked, folders)), 1),
            "train_seconds": round(sum(read_metrics(folder).get("train_seconds", 0.0) for folder in folders), 1),
            "engine": self.engine.name,
            "workers": self.engine.workers,
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "versions": {name: version(name) for name in ("torch", "pytorch-lightning", "hydra-core", "numpy")}
            | {"segnet": __version__, "python": platform.python_version()},
            "git_commit": _git_commit(),
            "runs": [self._describe(run, m) for run, m in zip(self.runs, metrics, strict=True)],
        }
        self._write(EXPERIMENT, record)
        return record

    def _describe(self, run: Run, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "arm": run.arm.name,
            "levels": run.arm.levels,
            "kind": run.kind,
            "seed": run.seed,
            "key": run.key,
            "folder": str(run.folder.relative_to(self.root)),
            "status": status(run.folder),
            "error": metrics.get("error"),
            "seconds": seconds_worked(run.folder),
        }

    def _say(self, record: Mapping[str, Any], problems: Sequence[str]) -> None:
        for problem in problems:
            print(f"unfair: {problem}")
        for run in record["runs"]:
            if run["status"] != "completed":
                print(f"{run['arm']}, seed {run['seed']}: {run['status']}{': ' + run['error'] if run['error'] else ''}")
        print(f"experiment folder: {self.root} ({record['status']} in {duration(record['wall_seconds'])})")

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        write_whole(self.root / name, json.dumps(values, indent=2) + "\n")


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep a second command out of the folder while one is at work."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another command is at work in {root}: wait for it, or name another ablation_dir"
            ) from None
        yield


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
