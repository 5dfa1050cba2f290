"""The progress of an experiment, shown while it runs."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from segnet.ablation.design.runs import AS_IS, Run
from segnet.ablation.execution.run_state import epochs_done, status
from segnet.number_format import format_duration
from segnet.run_folder import read_metrics

READ_EVERY = 1.0
"""Seconds between two looks at the run folders."""
PRINT_EVERY = 30.0
"""Seconds between two lines where there is no terminal and no run ends."""


class Progress:
    """Reads from the run folders how many epochs are done, and estimates the time left.

    Args:
        runs: all runs of the experiment, done ones included.
        stream: where it is printed.
    """

    def __init__(self, runs: Sequence[Run], stream: TextIO) -> None:
        self.runs = list({run.folder: run for run in runs}.values())
        self.stream = stream
        self.total = sum(run.epochs for run in self.runs)
        self.ended: dict[str, str] = {}
        self.started = time.monotonic()
        _, self.epochs_at_start = self.read()

    def read(self) -> tuple[int, int]:
        """Count the completed runs, and the epochs done in all runs; a completed run has all of its epochs."""
        completed = epochs = 0
        for run in self.runs:
            is_completed = status(run.folder) == "completed"
            completed += is_completed
            epochs += run.epochs if is_completed else min(run.epochs, epochs_done(run.folder))
        return completed, epochs

    def seconds_left(self, epochs: int) -> float | None:
        """Estimate from the pace since the start; None before the first epoch."""
        done = epochs - self.epochs_at_start
        return (time.monotonic() - self.started) / done * (self.total - epochs) if done > 0 else None

    def line(self, completed: int, epochs: int) -> str:
        """Write the progress as one line."""
        left = self.seconds_left(epochs)
        text = f"{completed}/{len(self.runs)} runs, {epochs}/{self.total} epochs, {100 * epochs / self.total:.0f}%"
        return text + (f", about {format_duration(left)} left" if left is not None and epochs < self.total else "")

    def newly_ended(self) -> list[str]:
        """Return a line for each run that has ended since the last call."""
        lines = []
        for run in self.runs:
            name = f"{run.arm.name}, seed {run.seed}" + (f" ({run.kind})" if run.kind != AS_IS else "")
            metrics = read_metrics(run.folder)
            ended, error = metrics.get("status", ""), metrics.get("error")
            if ended != self.ended.get(str(run.folder), ""):
                self.ended[str(run.folder)] = ended
                lines += [f"{name}: {ended}" + (f": {error}" if error else "")] if ended else []
        return lines


@contextlib.contextmanager
def show_progress(runs: Sequence[Run], title: str) -> Iterator[None]:
    """Show the progress while the body runs: a bar on a terminal, a line now and then elsewhere."""
    stream = sys.stdout  # as it is now; the runs of this process send theirs to files
    progress = Progress(runs, stream)
    progress.newly_ended()  # those that ended before
    over = threading.Event()
    follow = _follow_on_terminal if stream.isatty() else _follow_in_lines
    thread = threading.Thread(target=follow, args=(progress, title, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow_in_lines(progress: Progress, title: str, over: threading.Event) -> None:
    printed = time.monotonic()
    while True:
        last = over.wait(READ_EVERY)
        for line in progress.newly_ended():
            print(f"{title}: {line} ({progress.line(*progress.read())})", file=progress.stream, flush=True)
            printed = time.monotonic()
        if last:
            return
        if time.monotonic() - printed > PRINT_EVERY:
            printed = time.monotonic()
            print(f"{title}: {progress.line(*progress.read())}", file=progress.stream, flush=True)


def _follow_on_terminal(progress: Progress, title: str, over: threading.Event) -> None:
    from rich import progress as bars
    from rich.console import Console

    console = Console(file=progress.stream, markup=False)
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TextColumn("{task.fields[text]}"))
    with bars.Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(title, total=progress.total, text="")
        last = False
        while not last:
            last = over.wait(READ_EVERY)
            for line in progress.newly_ended():
                console.print(line, highlight=False)
            completed, epochs = progress.read()
            bar.update(task, completed=epochs, text=progress.line(completed, epochs))
