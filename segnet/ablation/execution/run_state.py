"""How a run stands, by what lies in its folder."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from segnet.ablation.design.files import RUN
from segnet.ablation.design.runs import Run
from segnet.ablation.execution.records import Attempt, RunRecord, Status
from segnet.config import to_run_yaml
from segnet.errors import UserError
from segnet.run_folder import (
    CONFIG,
    HISTORY,
    METRICS,
    checkpoint_file,
    read_history,
    read_json,
    read_metrics,
    write_json,
    write_whole,
)


def prepare(run: Run) -> None:
    """Write what a worker needs, the resolved config, and ``run.json``, which says which run it is."""
    write_whole(run.folder / CONFIG, to_run_yaml(run.config))
    record: RunRecord = {
        "arm": run.arm.name,
        "levels": run.arm.levels,
        "seed": run.seed,
        "kind": run.kind,
        "key": run.key,
        "attempts": attempts(run.folder),
    }
    write_json(run.folder / RUN, record)


def read_record(folder: Path) -> RunRecord:
    """Read a run folder's ``run.json``; an empty record where there is none."""
    return cast(RunRecord, read_json(folder / RUN))


def attempts(folder: Path) -> list[Attempt]:
    """List the times that a worker began to train the run."""
    return read_record(folder).get("attempts", [])


def begin_attempt(folder: Path, facts: Mapping[str, Any]) -> None:
    """Note that a worker has begun to train the run, and remove how the last attempt ended."""
    (folder / METRICS).unlink(missing_ok=True)
    record = read_record(folder)
    record["attempts"] = [*attempts(folder), cast(Attempt, {"started": time.time(), **facts})]
    write_json(folder / RUN, record)


def end_attempt(folder: Path) -> None:
    """Note that the worker has finished with the run, whether or not it is completed."""
    record = read_record(folder)
    last = record["attempts"][-1]
    last["ended"] = time.time()
    last["seconds"] = round(last["ended"] - last["started"], 3)
    write_json(folder / RUN, record)


def status(folder: Path) -> Status:
    """Return the status of a run that nobody is training.

    Returns:
        "completed", "failed" (with an error of its own), "interrupted", "killed" (begun, and ended without writing its
        scores) or "pending".
    """
    metrics = read_metrics(folder)
    if metrics.get("status") == "completed":
        has_weights = (folder / checkpoint_file("best")).is_file()
        return "completed" if has_weights or read_record(folder).get("without_weights") else "pending"
    if metrics:
        return cast(Status, metrics["status"])
    return "killed" if attempts(folder) else "pending"


def epochs_done(folder: Path) -> int:
    """Count the finished epochs of a run."""
    try:
        return len(read_history(folder / HISTORY))
    except UserError:
        return 0


def seconds_trained(folder: Path) -> float:
    """Add up the time of the attempts that ended; those that were killed did not note theirs."""
    return sum(attempt.get("seconds", 0.0) for attempt in attempts(folder))
