"""Trainings in processes that are forked from this one, which has imported everything: they start at once."""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch


def start(work: Callable[[], object], processes: int = 1, output: Path | None = None) -> list[BaseProcess]:
    """Call a function in several processes that find each other as those of ``torchrun`` do.

    Args:
        work: what they do; an exception is a traceback and exit code 1.
        processes: how many.
        output: a file that what they print is added to; None: it goes where this process prints.

    Returns:
        The processes, by rank.
    """
    context = multiprocessing.get_context("fork")
    port = _free_port()
    started = []
    for rank in range(processes):
        environment = _environment(rank, processes, port) if processes > 1 else {}
        process = context.Process(target=_call, args=(work, environment, output))
        process.start()
        started.append(process)
    return started


def finish(processes: list[BaseProcess], timeout: float = 120) -> list[int]:
    """Wait for processes and return their exit codes; those that are not done in time are killed, with code -9."""
    for process in processes:
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode or 0 for process in processes]


def _environment(rank: int, processes: int, port: int) -> dict[str, str]:
    names = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "forked"}
    return {name: str(value) for name, value in (names | address).items()}


def _call(work: Callable[[], object], environment: dict[str, str], output: Path | None) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    if output is not None:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file, 1)
        os.dup2(file, 2)
    work()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
