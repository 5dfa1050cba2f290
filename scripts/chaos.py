"""Kill trainings at random, resume each to its end, and compare it bit for bit with one that was left alone.

``python -m scripts.chaos`` prints the table of ``docs/reliability.md``; ``--write`` also puts it there. It takes about
20 minutes on two cores. The settings are all combinations of loading processes, training processes, and the file system
of the run folder: that of the system's temporary folder, and another one.
"""

import argparse
import contextlib
import itertools
import logging
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from scripts.comparison import differences
from scripts.forked import finish, start
from segnet.config import compose, load_config
from segnet.run_folder import CONFIG
from segnet.training.run import train

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
START, END = "<!-- chaos: written by scripts/chaos.py -->\n", "<!-- chaos: end -->\n"
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
OVERRIDES = (
    "data=shapes",
    "data.size=[16,24]",
    "data.images={train:12,val:4,test:4}",
    "data.batch_size=2",
    "data.augmentation.scale=[0.6,1.0]",
    "encoder.widths=[4,8]",
    "encoder.depths=[1,1]",
    "trainer.max_epochs=3",
    "trainer.precision=32-true",
    "checkpoint.every_n_steps=2",
    "logger=none",
)


@dataclass(frozen=True)
class Setting:
    """How a training is run.

    Attributes:
        workers: loading processes of each training process.
        processes: that train together.
        root: where its run folder is.
    """

    workers: int
    processes: int
    root: Path

    def work(self, folder: Path, resume: bool) -> None:
        """Train as ``segnet-train`` does."""
        logging.getLogger().setLevel(logging.INFO)
        distributed = ("trainer=ddp", "trainer.accelerator=cpu", f"trainer.devices={self.processes}")
        own = distributed if self.processes > 1 else ("trainer=cpu",)
        config = compose([*OVERRIDES, *own, f"data.num_workers={self.workers}"])
        train(load_config(folder) if resume else config, folder, resume)

    def begin(self, folder: Path) -> list[BaseProcess]:
        """Start a training, or resume it."""
        resume = (folder / CONFIG).is_file()
        return start(lambda: self.work(folder, resume), self.processes, folder.with_suffix(".txt"))


@dataclass
class Tally:
    """What happened under one setting."""

    killed: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SIGNALS, 0))
    runs: int = 0
    problems: list[str] = field(default_factory=list)


def one_run(setting: Setting, folder: Path, whole: Path, seconds: float, kills: int, draw: random.Random) -> Tally:
    """Kill one training some times, let it end, and compare it.

    Args:
        setting: of the training.
        folder: that it makes.
        whole: of a run that was left alone.
        seconds: that this one took.
        kills: most kills.
        draw: moments, signals and processes are drawn from it.
    """
    tally = Tally(runs=1)
    for _ in range(kills):
        moment, number = draw.uniform(0, seconds), draw.choice(SIGNALS)
        processes = setting.begin(folder)
        targets = draw.choice([processes, *([process] for process in processes)])
        processes[0].join(moment)
        if not all(process.is_alive() for process in processes):
            finish(processes)
            break
        for process in targets:
            with contextlib.suppress(ProcessLookupError):
                process.kill() if number == signal.SIGKILL else process.terminate()
        end_as_a_launcher(processes)
        tally.killed[number] += 1
    if any(finish(setting.begin(folder))):
        tally.problems.append(f"did not end: {folder.with_suffix('.txt').read_text()[-2000:]}")
    else:
        tally.problems += differences(whole, folder)
    return tally


def end_as_a_launcher(processes: Sequence[BaseProcess]) -> None:
    """End the processes that are left when one has ended, as torchrun does: SIGTERM, and then SIGKILL."""
    for end in (lambda _: None, BaseProcess.terminate, BaseProcess.kill):
        for process in processes:
            if process.is_alive():
                end(process)
        until = time.monotonic() + 3
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))


def run_setting(setting: Setting, whole: Path, kills: int, seed: str, per_run: int = 4) -> Tally:
    """Kill trainings under one setting until there were enough kills; each is compared with ``whole``."""
    draw, total = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory(dir=setting.root) as name:
        began = time.monotonic()
        assert not any(finish(setting.begin(Path(name) / "timed")))
        seconds = time.monotonic() - began
        while sum(total.killed.values()) < kills:
            folder = Path(name) / f"run{total.runs}"
            tally = one_run(setting, folder, whole, seconds, min(per_run, kills - sum(total.killed.values())), draw)
            total.runs += 1
            for number, count in tally.killed.items():
                total.killed[number] += count
            total.problems += [f"{setting}, {folder.name}: {problem}" for problem in tally.problems]
            shutil.rmtree(folder)
    return total


def make_table(tallies: dict[Setting, Tally], roots: dict[Path, str]) -> str:
    """Return the table of all settings, Markdown."""
    lines = [
        "| loading processes | processes | run folder on | runs | SIGKILL | SIGTERM | runs that differ |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for setting, tally in tallies.items():
        cells = (setting.workers, setting.processes, roots[setting.root], tally.runs)
        lines.append(f"| {' | '.join(map(str, (*cells, *tally.killed.values(), len(tally.problems))))} |")
    sums = [sum(tally.killed[number] for tally in tallies.values()) for number in SIGNALS]
    runs, wrong = (sum(values) for values in zip(*((t.runs, len(t.problems)) for t in tallies.values()), strict=True))
    lines.append(f"| **all** | | | {runs} | {sums[0]} | {sums[1]} | {wrong} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=13, help="under each setting (default: %(default)s)")
    parser.add_argument("--other", type=Path, default=Path("/dev/shm"), help="a folder on another file system")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    arguments = parser.parse_args()
    roots = {Path(tempfile.gettempdir()): "disk", arguments.other: "another file system"}
    tallies = {}
    with tempfile.TemporaryDirectory() as name:
        wholes = {processes: Path(name) / f"whole{processes}" for processes in (1, 2)}
        for processes, whole in wholes.items():
            assert not any(finish(Setting(0, processes, Path(name)).begin(whole)))
        for workers, processes, root in itertools.product((0, 2), (1, 2), roots):
            setting = Setting(workers, processes, root)
            tally = run_setting(setting, wholes[processes], arguments.kills, f"{arguments.seed} {setting}")
            tallies[setting] = tally
            print(f"{setting}: {tally.killed} {tally.problems}", flush=True)
    table = make_table(tallies, roots)
    print(table)
    if arguments.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
        PAGE.write_text(f"{before}{START}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
