"""Reading what an experiment wrote: its record, its plan, its proof of fairness, its costs and its runs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segnet.errors import UserError
from segnet.run_folder import METRICS, read_history

EXPERIMENT, PLAN, FAIRNESS, COSTS = "experiment.json", "plan.yaml", "fairness.json", "costs.json"
SCORES = Path("scores", "test.npz")
KINDS = ("as_is", "matched")


@dataclass(frozen=True)
class ExperimentFolder:
    """An experiment as it lies on the disk.

    Attributes:
        root: its folder.
        record: ``experiment.json``: name, status, baseline, seeds, command, versions, and an entry for each run.
        plan: ``plan.yaml``: factors, arms with their levels and overrides, what is held fixed.
        fairness: ``fairness.json``; empty where there is none yet.
        costs: ``costs.json``: for each kind of comparison the costs of each arm; empty where there is none yet.
    """

    root: Path
    record: dict[str, Any]
    plan: dict[str, Any]
    fairness: dict[str, Any]
    costs: dict[str, Any]

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the plan's order."""
        return list(self.plan["arms"])

    @property
    def kinds(self) -> list[str]:
        """Comparisons that were planned: "as_is", and "matched" in cost."""
        return [kind for kind in KINDS if any(run["kind"] == kind for run in self.record["runs"])]

    def runs(self, kind: str) -> list[dict[str, Any]]:
        """Return the entries of the record that belong to one comparison, done or not."""
        return [run for run in self.record["runs"] if run["kind"] == kind]

    def done(self, kind: str) -> dict[str, dict[int, Path]]:
        """Return the folders of the completed runs by arm and seed; an arm without one is left out."""
        found: dict[str, dict[int, Path]] = {}
        for arm in self.arms:
            for run in self.runs(kind):
                if run["arm"] == arm and run["status"] == "completed":
                    found.setdefault(arm, {})[int(run["seed"])] = self.root / run["folder"]
        return found


def read_experiment(root: str | Path) -> ExperimentFolder:
    """Read an experiment folder.

    Raises:
        UserError: it is none, or one of its files is not whole.
    """
    root = Path(root)
    if not (root / EXPERIMENT).is_file():
        raise UserError(f"{root.absolute()} is not an experiment folder: it has no {EXPERIMENT}")
    from omegaconf import OmegaConf

    plan = OmegaConf.to_container(OmegaConf.load(root / PLAN)) if (root / PLAN).is_file() else None
    if not isinstance(plan, dict):
        raise UserError(f"{root.absolute()} has no whole {PLAN}: run segnet-ablate on it again")
    return ExperimentFolder(
        root, read_json(root / EXPERIMENT), plan, read_json(root / FAIRNESS), read_json(root / COSTS)
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file; nothing where there is none.

    Raises:
        UserError: it is not whole.
    """
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is not whole ({error}): run segnet-ablate on the experiment again") from error


def read_metrics(run: Path) -> dict[str, Any]:
    """Read the scores that a run wrote of itself; nothing where it has not ended."""
    return read_json(run / METRICS)


def read_curves(run: Path) -> dict[str, list[float | None]]:
    """Read the columns of a run's ``history.csv``; what is no number is None."""
    rows = read_history(run / "history.csv")
    return {column: [_number(row[column]) for row in rows] for column in rows[0]} if rows else {}


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value == value else None
