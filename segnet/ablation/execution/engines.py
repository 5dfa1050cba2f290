"""Where runs are worked off."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from segnet.ablation.execution.jobs import work_off
from segnet.ablation.execution.runs import Run, prepare, read_record, status


class Engine(Protocol):
    """Works off run folders.

    Attributes:
        name: for the record.
        workers: how many runs it works on at a time; None where a scheduler decides.
        survives: whether a worker that dies leaves the others at their work.
    """

    name: str
    workers: int | None
    survives: bool

    def work_off(self, folders: Sequence[Path]) -> None:
        """Call :func:`segnet.ablation.execution.jobs.work_off` for each, and return when all is over.

        Raises:
            Exception: a worker died. What it was at, and what others were at if they do not survive, is unfinished.
        """
        ...


class InProcess:
    """One run after another in this process, with all cores: see :class:`Engine`."""

    name, workers, survives = "in this process", 1, True

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads if threads is not None else len(os.sched_getaffinity(0))

    def work_off(self, folders: Sequence[Path]) -> None:
        """Work off one after another."""
        for folder in folders:
            work_off(folder, self.threads)


def run_all(runs: Sequence[Run], engine: Engine, report: Callable[[str], None]) -> None:
    """Work off all runs that are not completed; none stops the others.

    When a process pool breaks because one of its workers died, those that were at work are taken up again one at a
    time, so that the one that kills its worker is alone with it; each gets one more chance in the same call.

    Args:
        runs: any; each folder is worked off once.
        engine: where.
        report: is told what went wrong, in a sentence.
    """
    pending = list({run.folder: run for run in runs if status(run.folder) != "completed"}.values())
    for run in pending:
        prepare(run)
    before = {run.folder: _attempts(run.folder) for run in pending}
    waiting = [run.folder for run in pending]
    while waiting:
        try:
            engine.work_off(waiting)
            return
        except Exception as error:
            died = [folder for folder in waiting if _attempts(folder) > before[folder] and status(folder) == "killed"]
            report(f"a worker died ({type(error).__name__}) while it was at {_names(died)}")
            untouched = [folder for folder in waiting if _attempts(folder) == before[folder]]
            if engine.survives or len(untouched) == len(waiting):
                return
        for folder in died:
            try:
                engine.work_off([folder])
            except Exception as error:
                report(f"a worker died again ({type(error).__name__}) at {_names([folder])}: it is left as it is")
        waiting = untouched


def _attempts(folder: Path) -> int:
    return len(read_record(folder).get("attempts", []))


def _names(folders: Sequence[Path]) -> str:
    return ", ".join(f"{folder.parent.name}/{folder.name}" for folder in folders) or "nothing yet"
