"""How far an experiment is, while it runs elsewhere or here."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from segnet.ablation.execution.runs import Run, epochs_done, read_metrics, status

LOOK_EVERY = 1.0
SAY_EVERY = 30.0


class Watch:
    """Looks at the run folders, and says how many epochs are done and what time is left.

    Args:
        runs: all runs of the experiment, done ones included.
        stream: where to.
    """

    def __init__(self, runs: Sequence[Run], stream: TextIO) -> None:
        self.runs = list({run.folder: run for run in runs}.values())
        self.stream = stream
        self.total = sum(run.epochs for run in self.runs)
        self.ended: dict[str, str] = {}
        self.started = time.monotonic()
        _, self.at_start = self.look()

    def look(self) -> tuple[int, int]:
        """Return the completed runs and the epochs that are done in all runs; a completed run counts whole."""
        completed = epochs = 0
        for run in self.runs:
            is_completed = status(run.folder) == "completed"
            completed += is_completed
            epochs += run.epochs if is_completed else min(run.epochs, epochs_done(run.folder))
        return completed, epochs

    def seconds_left(self, epochs: int) -> float | None:
        """Estimate from the pace since the start; None before the first epoch."""
        done = epochs - self.at_start
        return (time.monotonic() - self.started) / done * (self.total - epochs) if done > 0 else None

    def line(self, completed: int, epochs: int) -> str:
        """Say it in one line."""
        left = self.seconds_left(epochs)
        text = f"{completed}/{len(self.runs)} runs, {epochs}/{self.total} epochs, {100 * epochs / self.total:.0f}%"
        return text + (f", about {duration(left)} left" if left is not None and epochs < self.total else "")

    def newly_ended(self) -> list[str]:
        """Return a line for each run that has ended since the last call."""
        lines = []
        for run in self.runs:
            name = f"{run.arm.name}, seed {run.seed}" + (f" ({run.kind})" if run.kind != "as_is" else "")
            ended = read_metrics(run.folder).get("status", "")
            if ended != self.ended.get(str(run.folder), ""):
                self.ended[str(run.folder)] = ended
                error = read_metrics(run.folder).get("error")
                lines += [f"{name}: {ended}" + (f": {error}" if error else "")] if ended else []
        return lines


def duration(seconds: float) -> str:
    """Write a time for people: "45 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


@contextlib.contextmanager
def shown(runs: Sequence[Run], title: str) -> Iterator[None]:
    """Show the progress while the body runs: a bar on a terminal, a line now and then elsewhere."""
    stream = sys.stdout  # as it is now; the runs of this process send theirs to files
    watch = Watch(runs, stream)
    watch.newly_ended()  # before
    over = threading.Event()
    follow = _follow_on_terminal if stream.isatty() else _follow_in_lines
    thread = threading.Thread(target=follow, args=(watch, title, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow_in_lines(watch: Watch, title: str, over: threading.Event) -> None:
    said = time.monotonic()
    while True:
        last = over.wait(LOOK_EVERY)
        for line in watch.newly_ended():
            print(f"{title}: {line} ({watch.line(*watch.look())})", file=watch.stream, flush=True)
            said = time.monotonic()
        if last:
            return
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            print(f"{title}: {watch.line(*watch.look())}", file=watch.stream, flush=True)


def _follow_on_terminal(watch: Watch, title: str, over: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=watch.stream)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task(title, total=watch.total, text="")
        last = False
        while not last:
            last = over.wait(LOOK_EVERY)
            for line in watch.newly_ended():
                console.print(line, highlight=False)
            completed, epochs = watch.look()
            progress.update(task, completed=epochs, text=watch.line(completed, epochs))
