"""Measure several programs in turns, each in a fresh process of its own, so that their memory is their own too.

The parent tells one process at a time to go on, and the others wait meanwhile. A process calls :meth:`Gate.wait` where
a turn ends and the next one begins.
"""

import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytorch_lightning as pl
import torch


class Turn(NamedTuple):
    """What a process tells of a turn: its seconds and, of its life so far, the peak memory in MiB."""

    seconds: float
    peak_mib: float


class Gate:
    """The side of the process that is measured.

    Args:
        connection: to the parent.
        device: "cpu" or "cuda"; on a GPU a turn ends when the device has done its work.

    Attributes:
        current: the gate of this process.
    """

    current: ClassVar["Gate | None"] = None

    def __init__(self, connection: Connection, device: str) -> None:
        self.connection, self.device = connection, device
        self._started: float | None = None
        self._memory_at_start = resident_mib()

    def begin(self) -> None:
        """Count memory from here on: what was to import is imported, and the network is not built yet."""
        self._memory_at_start = resident_mib()

    def wait(self) -> bool:
        """End the turn, and wait for the next one; False: there is none."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        if self._started is None:
            self.connection.send(None)
        else:
            self.connection.send(Turn(time.perf_counter() - self._started, self._peak_mib()))
        goes_on = self.connection.recv()
        self._started = time.perf_counter()
        return goes_on

    def _peak_mib(self) -> float:
        if self.device == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        return peak_resident_mib() - self._memory_at_start


class EpochGate(pl.Callback):
    """Makes a turn of each epoch of a Lightning training: its loading, training, validation and checkpoints."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait at the start of each epoch; nothing is loaded yet."""
        if not Gate.current.wait():
            raise KeyboardInterrupt  # which Lightning takes as the wish to end


def resident_mib() -> float:
    """Return the memory of this process that is resident now, in MiB."""
    return _status_mib("VmRSS")


def peak_resident_mib() -> float:
    """Return the largest resident memory of this process so far, in MiB; not its parent's, as getrusage has it."""
    return _status_mib("VmHWM")


def forget_peak() -> None:
    """Have :func:`peak_resident_mib` start again from what is resident now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def _status_mib(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


def measure_in_turns(
    programs: Mapping[str, tuple[Callable[..., None], tuple[Any, ...]]],
    device: str,
    repeats: int,
    warmup: int = 1,
    limit: float = 600.0,
) -> dict[str, list[Turn]]:
    """Run programs in turns, and return each one's measured turns.

    Args:
        programs: by name, a function of a module and its arguments after the gate; it runs until ``gate.wait()`` says
            that there are no more turns.
        device: "cpu" or "cuda".
        repeats: turns that are measured.
        warmup: turns before that are not.
        limit: seconds that a turn may take, with the start of the process.

    Raises:
        RuntimeError: a program ended early or took too long.
    """
    context, method = multiprocessing.get_context("spawn"), multiprocessing.get_start_method()
    connections, processes = {}, {}
    try:
        for name, (function, arguments) in programs.items():
            connections[name], theirs = context.Pipe()
            processes[name] = context.Process(target=_run, args=(function, theirs, device, arguments, method))
            processes[name].start()
            theirs.close()
            _receive(connections[name], name, limit)  # one after the other: a start is dear
        turns: dict[str, list[Turn]] = {name: [] for name in programs}
        names = list(programs)
        for turn in range(-warmup, repeats):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                connections[name].send(True)
                result = _receive(connections[name], name, limit)
                if turn >= 0:
                    turns[name].append(result)
        return turns
    finally:
        for name, process in processes.items():
            if process.is_alive():
                connections[name].send(False)
            process.join(30)
            if process.is_alive():
                process.kill()


def _receive(connection: Connection, name: str, limit: float) -> Turn | None:
    if not connection.poll(limit):
        raise RuntimeError(f"{name} took more than {limit:.0f} s for a turn")
    try:
        return connection.recv()
    except EOFError as error:
        raise RuntimeError(f"{name} ended before its turns were over: its own message is above") from error


def _run(
    function: Callable[..., None], connection: Connection, device: str, arguments: tuple[Any, ...], method: str
) -> None:
    # A spawned process spawns by default, and loading processes would import everything again in each epoch.
    multiprocessing.set_start_method(method, force=True)
    Gate.current = Gate(connection, device)
    function(Gate.current, *arguments)
