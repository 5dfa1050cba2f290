"""Runs of an experiment: a folder each, found by what is trained in it."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from segnet.ablation.design.plan import Arm
from segnet.run_folder import CONFIG, METRICS, checkpoint_file, read_history, write_json, write_whole

RECORD = "run.json"
"""In a run folder: which run of the experiment it is, and when it was worked on."""
NOT_PART_OF_A_RUN = ("name", "run_dir", "resume", "logger", "data.num_workers")
"""Config paths that say where and how a run is kept or fed, and nothing about what is trained."""


@dataclass(frozen=True)
class Run:
    """One training of one arm with one seed.

    Attributes:
        arm: the arm.
        seed: of the training.
        kind: "as_is", "matched" (in cost) or "tuning".
        config: as composed, for this seed; ``run_dir`` is left open.
        key: see :func:`config_key`.
        folder: the run folder.
    """

    arm: Arm
    seed: int
    kind: str
    config: DictConfig
    key: str
    folder: Path

    @property
    def epochs(self) -> int:
        """Number of epochs that the run takes."""
        return int(self.config.trainer.max_epochs)


def plan_run(arm: Arm, config: DictConfig, seed: int, kind: str, root: Path) -> Run:
    """Say which run an arm's config and a seed make; ``root`` is the folder of all runs."""
    config = config.copy()
    config.seed = seed
    key = config_key(config)
    return Run(arm, seed, kind, config, key, root / arm.folder / f"{seed}-{key}")


def config_key(config: DictConfig) -> str:
    """Hash a config, resolved, without what is no part of what is trained: 10 hexadecimal digits."""
    config = config.copy()
    config.run_dir = ""  # the clock is in it, and callbacks have copies of it
    values = OmegaConf.to_container(config, resolve=True)
    for path in NOT_PART_OF_A_RUN:
        *parents, last = path.split(".")
        reduce(lambda node, part: node[part], parents, values).pop(last, None)
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=5).hexdigest()


def prepare(run: Run) -> None:
    """Write what a worker needs, the resolved config, and what says which run it is."""
    config = run.config.copy()
    config.run_dir = str(run.folder)
    write_whole(run.folder / CONFIG, OmegaConf.to_yaml(config, resolve=True))
    record = read_record(run.folder)
    identity = {"arm": run.arm.name, "levels": run.arm.levels, "seed": run.seed, "kind": run.kind, "key": run.key}
    write_json(run.folder / RECORD, identity | {"attempts": record.get("attempts", [])})


def read_record(folder: Path) -> dict[str, Any]:
    """Read what a run folder says of itself; nothing where it is new."""
    path = folder / RECORD
    return json.loads(path.read_text()) if path.is_file() else {}


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read the scores of a run; nothing where it has not ended."""
    path = folder / METRICS
    return json.loads(path.read_text()) if path.is_file() else {}


def begin_attempt(folder: Path, facts: Mapping[str, Any]) -> None:
    """Note that a worker has begun with a run, and clear away how the last attempt ended."""
    (folder / METRICS).unlink(missing_ok=True)
    record = read_record(folder)
    record["attempts"] = [*record.get("attempts", []), {"started": time.time(), **facts}]
    write_json(folder / RECORD, record)


def end_attempt(folder: Path) -> None:
    """Note that the worker is done with the run, for better or worse."""
    record = read_record(folder)
    last = record["attempts"][-1]
    last["ended"] = time.time()
    last["seconds"] = round(last["ended"] - last["started"], 3)
    write_json(folder / RECORD, record)


def status(folder: Path) -> str:
    """Say how a run stands, while nobody works on it.

    Returns:
        "completed", "failed" (with an error of its own), "interrupted", "killed" (begun, and ended without a word)
        or "pending".
    """
    metrics = read_metrics(folder)
    if metrics.get("status") == "completed":
        return "completed" if (folder / checkpoint_file("best")).is_file() else "pending"
    if metrics:
        return metrics["status"]
    return "killed" if read_record(folder).get("attempts") else "pending"


def epochs_done(folder: Path) -> int:
    """Count the epochs of a run that are behind it."""
    try:
        return len(read_history(folder / "history.csv"))
    except OSError:
        return 0


def seconds_worked(folder: Path) -> float:
    """Add up the time of the attempts that ended; those that were killed did not note theirs."""
    return sum(attempt.get("seconds", 0.0) for attempt in read_record(folder).get("attempts", []))
