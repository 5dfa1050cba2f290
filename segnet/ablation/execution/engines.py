"""Where runs are trained: an engine takes run folders, and trains them here or elsewhere."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from segnet.ablation.design.runs import Run
from segnet.ablation.execution.jobs import run_job
from segnet.ablation.execution.run_state import attempts, prepare, status
from segnet.devices import threads_per_run


class Engine(Protocol):
    """Trains runs.

    Attributes:
        name: for the record.
        workers: number of runs trained at a time; None where a scheduler decides.
        isolated: whether the other workers go on when one dies.
    """

    name: str
    workers: int | None
    isolated: bool

    def run_jobs(self, folders: Sequence[Path]) -> None:
        """Call :func:`segnet.ablation.execution.jobs.run_job` for each run folder, and return when all have ended.

        Raises:
            Exception: a worker died. Its run is unfinished, and if workers are not isolated, so are the others'.
        """
        ...


class InProcess:
    """One run after another in this process, with all cores: see :class:`Engine`."""

    name: str = "in this process"
    workers: int | None = 1
    isolated: bool = True

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads if threads is not None else threads_per_run()

    def run_jobs(self, folders: Sequence[Path]) -> None:
        """Train one run after another."""
        for folder in folders:
            run_job(folder, self.threads)


def run_all(runs: Sequence[Run], engine: Engine, report: Callable[[str], None]) -> None:
    """Train all runs that are not completed; a run that fails does not stop the others.

    When a process pool breaks because one of its workers died, the runs that were being trained are repeated one at a
    time, so that only the run that kills its worker dies again; each gets one more chance in the same call.

    Args:
        runs: any; each folder is trained once.
        engine: where.
        report: is told in a sentence what went wrong.
    """
    pending = list({run.folder: run for run in runs if status(run.folder) != "completed"}.values())
    for run in pending:
        prepare(run)
    before = {run.folder: len(attempts(run.folder)) for run in pending}
    waiting = [run.folder for run in pending]
    while waiting:
        try:
            engine.run_jobs(waiting)
            return
        except Exception as error:
            begun = [folder for folder in waiting if len(attempts(folder)) > before[folder]]
            died = [folder for folder in begun if status(folder) == "killed"]
            report(f"a worker died ({type(error).__name__}) while it trained {_names(died)}")
            if engine.isolated or not begun:
                return
        for folder in died:
            try:
                engine.run_jobs([folder])
            except Exception as error:
                report(f"a worker died again ({type(error).__name__}) at {_names([folder])}: this run is left out")
        waiting = [folder for folder in waiting if folder not in begun]


def _names(folders: Sequence[Path]) -> str:
    return ", ".join(f"{folder.parent.name}/{folder.name}" for folder in folders) or "nothing yet"
