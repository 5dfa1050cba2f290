"""What a worker does with one run, in whatever process it finds itself."""

import contextlib
import fcntl
import logging
import os
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from segnet.ablation.execution.runs import begin_attempt, end_attempt, status
from segnet.run_folder import METRICS, write_json

LOG, OUTPUT = "train.log", "output.txt"
_leases: list[IO[str]] = []
"""Files that this process holds locked until it ends."""


def work_off(folder: Path, threads: int | None = None, workers: int = 1) -> str:
    """Train one run, go on with it, or leave it as it is if it is completed.

    An error of the run's own ends in its ``metrics.json`` and nowhere else, so that the next run has its turn.

    Args:
        folder: the run folder, with its ``config.yaml``.
        threads: CPU threads of the training; None: what torch chooses.
        workers: processes that train side by side on this machine; several GPUs are shared out among them.

    Returns:
        The run's status, see :func:`segnet.ablation.execution.runs.status`.
    """
    if status(folder) == "completed":
        return "completed"
    device = take_device(folder.parents[2], workers) if workers > 1 else None
    # Late: torch must find its GPU chosen, and a launcher that only hands on needs none of it.
    import torch

    from segnet.config import load_config
    from segnet.training.run import train
    from segnet.training.score_table import print_table

    if threads is not None:
        torch.set_num_threads(threads)
    place = {"host": socket.gethostname(), "pid": os.getpid(), "threads": torch.get_num_threads(), "device": device}
    begin_attempt(folder, place)
    try:
        with _written_to(folder):
            config = load_config(folder)
            if config.data.num_workers is None and threads is not None:
                config.data.num_workers = max(0, threads - 1)
            train(config, folder, resume=True, show_table=print_table)
    except Exception as error:
        with (folder / OUTPUT).open("a") as file:
            traceback.print_exc(file=file)
        if not (folder / METRICS).is_file():  # not even begun
            write_json(folder / METRICS, {"status": "failed", "error": str(error)})
    finally:
        end_attempt(folder)
    return status(folder)


@contextlib.contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    """Send log lines to ``train.log`` and what is printed to ``output.txt``."""
    root, level = logging.getLogger(), logging.getLogger().level
    handler = logging.FileHandler(folder / LOG)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    others = root.handlers[:]
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        with (folder / OUTPUT).open("a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            yield
    finally:
        root.handlers[:] = others
        root.setLevel(level)
        handler.close()


def take_device(root: Path, workers: int) -> str | None:
    """Take one of the machine's GPUs for the rest of this process's life, so that each worker has its own.

    With more workers than GPUs they share them evenly. A worker that dies gives its place back.

    Args:
        root: where the places are kept, the same folder for all workers.
        workers: how many there are.

    Returns:
        What ``CUDA_VISIBLE_DEVICES`` is now; None where there is no GPU, or one already taken by this process.
    """
    if _leases:
        return os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = visible_devices()
    if not devices:
        return None
    places = root / f".places-{socket.gethostname()}"
    places.mkdir(parents=True, exist_ok=True)
    for place in range(4 * workers):
        file = (places / str(place)).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        _leases.append(file)
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[place % len(devices)]
        return os.environ["CUDA_VISIBLE_DEVICES"]
    return None


def visible_devices() -> list[str]:
    """Name the GPUs that this process may use, without touching one."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]
