"""A job: one run, trained by the process that it is given to."""

import contextlib
import logging
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from segnet.ablation.design.files import OUTPUT
from segnet.ablation.execution.gpus import take_gpu
from segnet.ablation.execution.records import Status
from segnet.ablation.execution.run_state import begin_attempt, end_attempt, status
from segnet.errors import UserError
from segnet.run_folder import METRICS, write_json
from segnet.run_ownership import claim_to_resume


def run_job(folder: Path, threads: int | None = None, workers: int = 1) -> Status:
    """Train a run, resume it, or leave it as it is if it is completed.

    An error of the run's own is written to its ``metrics.json`` and not raised, so that the next run has its turn.

    Args:
        folder: the run folder, with its ``config.yaml``.
        threads: CPU threads of the training; None: torch's choice.
        workers: processes that train side by side on this machine; several GPUs are shared out among them.
    """
    if status(folder) == "completed":
        return "completed"
    lease = take_gpu(folder.parents[2], workers) if workers > 1 else None
    # Late: torch must find its GPU chosen, and a launcher that only passes jobs on needs none of it.
    import torch

    from segnet.config import load_config
    from segnet.devices import processor_name
    from segnet.training.run import train
    from segnet.trusted_classes import allow_code

    if threads is not None:
        torch.set_num_threads(threads)
    place = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "threads": torch.get_num_threads(),
        "device": lease.device if lease else None,
        "processor": processor_name(),
    }
    try:
        with claim_to_resume(folder):
            begin_attempt(folder, place)
            try:
                with _output_to(folder):
                    with allow_code():  # this experiment has just written it
                        config = load_config(folder)
                    if config.data.num_workers is None and threads is not None:
                        config.data.num_workers = max(0, threads - 1)
                    train(config, folder, resume=True)
            except Exception as error:
                with (folder / OUTPUT).open("a") as file:
                    traceback.print_exc(file=file)
                if not (folder / METRICS).is_file():  # it failed before the training began
                    write_json(folder / METRICS, {"status": "failed", "error": str(error)})
            finally:
                end_attempt(folder)
    except UserError as error:  # another process trains it, and writes its files
        print(error, file=sys.stderr)
    return status(folder)


@contextlib.contextmanager
def _output_to(folder: Path) -> Iterator[None]:
    """Send printed lines to ``output.txt``, and log lines nowhere but to ``train.log``, which the training writes."""
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = root.handlers[:]
    root.handlers[:] = [logging.NullHandler()]
    root.setLevel(logging.INFO)
    try:
        with (folder / OUTPUT).open("a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
