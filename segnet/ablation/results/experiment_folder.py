"""Reading an experiment folder: its record, its plan, its proof of fairness, its costs and its runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from segnet.ablation.checks.records import CostsRecord, FairnessRecord
from segnet.ablation.design.files import COSTS, EXPERIMENT, FAIRNESS, PLAN, SPLIT
from segnet.ablation.design.records import PlanRecord
from segnet.ablation.design.runs import COMPARISONS
from segnet.ablation.execution.records import ExperimentRecord, RunEntry
from segnet.config import read_yaml
from segnet.errors import UserError
from segnet.run_folder import HISTORY, read_history, read_json, read_metrics, scores_file


@dataclass(frozen=True)
class ExperimentFolder:
    """An experiment as it lies on the disk.

    Attributes:
        root: its folder.
        record: ``experiment.json``.
        plan: ``plan.yaml``.
        fairness: ``fairness.json``; empty where there is none yet.
        costs: ``costs.json``, for each kind of comparison; empty where there is none yet.
    """

    root: Path
    record: ExperimentRecord
    plan: PlanRecord
    fairness: FairnessRecord
    costs: dict[str, CostsRecord]

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the plan's order."""
        return list(self.plan["arms"])

    @property
    def kinds(self) -> list[str]:
        """Comparisons that were planned: "as_is", and "matched" in cost."""
        return [kind for kind in COMPARISONS if any(run["kind"] == kind for run in self.record["runs"])]

    def runs(self, kind: str) -> list[RunEntry]:
        """Return the entries of the record that belong to one comparison, completed or not."""
        return [run for run in self.record["runs"] if run["kind"] == kind]

    def completed(self, kind: str) -> dict[str, dict[int, Path]]:
        """Return the folders of the completed runs by arm and seed; an arm without one is left out."""
        folders: dict[str, dict[int, Path]] = {}
        for arm in self.arms:
            for run in self.runs(kind):
                if run["arm"] == arm and run["status"] == "completed":
                    folders.setdefault(arm, {})[int(run["seed"])] = self.root / run["folder"]
        return folders

    def completed_runs(self) -> list[Path]:
        """Return the folders of all completed runs, each once."""
        return list(
            dict.fromkeys(
                run for kind in self.kinds for seeds in self.completed(kind).values() for run in seeds.values()
            )
        )


def read_experiment(root: str | Path) -> ExperimentFolder:
    """Read an experiment folder.

    Raises:
        UserError: the folder is not an experiment, or one of its files is not whole.
    """
    root = Path(root)
    record = read_json(root / EXPERIMENT)
    if not record:
        raise UserError(f"{root.absolute()} is not an experiment folder: it has no {EXPERIMENT}")
    # The record of an experiment that was killed, or still runs, does not know what has been completed since it began.
    for run in record["runs"]:
        if run["status"] == "pending" and read_metrics(root / run["folder"]).get("status") == "completed":
            run["status"] = "completed"
    plan = read_yaml(root / PLAN) if (root / PLAN).is_file() else None
    if not isinstance(plan, dict):
        raise UserError(f"{root.absolute()} has no whole {PLAN}: run segnet-ablate on it again")
    return ExperimentFolder(
        root,
        cast(ExperimentRecord, record),
        cast(PlanRecord, plan),
        cast(FairnessRecord, read_json(root / FAIRNESS)),
        cast(dict[str, CostsRecord], read_json(root / COSTS)),
    )


def compared_scores(run: Path) -> Path:
    """Return the file with the per-image scores that arms are compared by."""
    return scores_file(run, SPLIT)


def read_curves(run: Path) -> dict[str, list[float | None]]:
    """Read the columns of a run's ``history.csv``; a cell that is not a number is None."""
    rows = read_history(run / HISTORY)
    return {column: [_number(row[column]) for row in rows] for column in rows[0]} if rows else {}


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value == value else None
