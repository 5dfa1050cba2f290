"""A training and its run folder: who owns it, what is logged into it, and how the training ended."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from segnet.errors import NO_PLACE, UserError
from segnet.run_folder import Metrics, Outcome, checkpoint_file, read_metrics, resuming, write_metrics
from segnet.run_ownership import claim_new, claim_to_resume
from segnet.training.processes import is_first_process

log = logging.getLogger(__name__)


@contextlib.contextmanager
def claim(run_dir: Path, resume: bool, next_free: bool = False) -> Iterator[Path]:
    """Own a run folder, see :mod:`segnet.run_ownership`; further processes share it with the first one.

    Raises:
        UserError: another process owns it, or it holds a run and ``resume`` is false, or none and it is true.
    """
    if not is_first_process():
        yield run_dir
    elif resume:
        with claim_to_resume(run_dir):
            yield run_dir
    else:
        with claim_new(run_dir, next_free) as folder:
            yield folder


@contextlib.contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Write the log lines of the first process to a file too."""
    if not is_first_process():
        yield
        return
    handler = LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


class LogFile(logging.FileHandler):
    """A log file; a line that cannot be written is left out, since what fails then says so itself."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Go on."""


def completed_checkpoint(run_dir: Path) -> tuple[int, int] | None:
    """Return what tells the last checkpoint of a completed run from another; None where the run is not completed."""
    with contextlib.suppress(UserError, OSError):
        if read_metrics(run_dir).get("status") == "completed":
            file = (run_dir / checkpoint_file("last")).stat()
            return file.st_mtime_ns, file.st_ino
    return None


def say_how_to_resume(run_dir: Path, finished: int, epochs: int) -> None:
    """Log after how many of its epochs a training was interrupted, and the command that resumes it."""
    where = f"after epoch {finished} of {epochs}" if finished else f"in the first of {epochs} epochs"
    log.warning("interrupted %s; resume with: segnet-train %s", where, resuming(run_dir))


def write_outcome(run_dir: Path, outcome: Outcome, results: Metrics) -> None:
    """Write ``metrics.json``; where it cannot be, an error that has already happened is the one to be told."""
    with contextlib.nullcontext() if outcome["status"] == "completed" else contextlib.suppress(UserError):
        write_metrics(run_dir, outcome, results)


@contextlib.contextmanager
def sentences_of_the_system(run_dir: Path) -> Iterator[None]:
    """Say in a sentence that the disk is full, or the run folder gone, wherever a training finds it out."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        where = error.filename or run_dir
        raise UserError(
            f"the training could not write to {where} ({error.strerror}): make room, then continue with "
            f"segnet-train {resuming(run_dir)}"
        ) from error
