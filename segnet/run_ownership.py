"""One process at a time owns a run folder: it is locked before anything is written into it."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from segnet.errors import UserError
from segnet.run_folder import (
    CONFIG,
    HISTORY,
    METRICS,
    checkpoint_file,
    read_json,
    remove_parts,
    resuming,
)

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"
_owned: set[Path] = set()
"""Folders that this process owns already, so that what it calls may claim them again."""


@contextlib.contextmanager
def claim_new(run_dir: Path, next_free: bool = False) -> Iterator[Path]:
    """Own the folder of a new run while the body runs. If nothing is written into it, it is removed afterwards.

    A folder in which a training failed before its first checkpoint is free.

    Args:
        run_dir: the folder.
        next_free: where another run has it, take the first free one of ``<run_dir>_2``, ``<run_dir>_3``, ...

    Yields:
        The folder that is owned now.

    Raises:
        UserError: it holds a run, another process owns it, or it cannot be written.
    """
    if run_dir.absolute() in _owned:
        yield run_dir
        return
    folder, lock = _first_free(run_dir) if next_free else _this(run_dir)
    with _owning(folder, lock):
        remove_parts(folder)
        for name in (METRICS, HISTORY):
            (folder / name).unlink(missing_ok=True)  # of a training that failed before its first checkpoint
        yield folder


@contextlib.contextmanager
def claim_to_resume(run_dir: Path) -> Iterator[Path]:
    """Own the folder of a run that is there while the body runs.

    Yields:
        The folder.

    Raises:
        UserError: it is no run folder, another process owns it, or it cannot be written.
    """
    if run_dir.absolute() in _owned:
        yield run_dir
        return
    if not (run_dir / CONFIG).is_file():
        raise UserError(f"{run_dir} is not a run folder: it has no {CONFIG}")
    lock = _lock(run_dir)
    if lock is None:
        raise UserError(f"another process is training in {run_dir}: wait until it ends, or stop it, and resume then")
    with _owning(run_dir, lock):
        remove_parts(run_dir)
        yield run_dir


def holds_run(folder: Path) -> bool:
    """Say whether a folder holds a run with something to lose: a checkpoint, or scores."""
    if any((folder / checkpoint_file("last").parent).glob("*.ckpt")):
        return True
    return (folder / METRICS).is_file() and read_json(folder / METRICS).get("status") == "completed"


def _this(folder: Path) -> tuple[Path, "BaseFileLock"]:
    holds = f"{folder} holds a run already: continue it with {resuming(folder)}, or name another run_dir"
    if holds_run(folder):
        raise UserError(holds)
    lock = _lock(folder)
    if lock is None:
        raise UserError(f"another process is training in {folder}: name another run_dir")
    if holds_run(folder):  # it has ended since
        lock.release()
        raise UserError(holds)
    return folder, lock


def _first_free(wanted: Path) -> tuple[Path, "BaseFileLock"]:
    for number in itertools.count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}_{number}")
        if not _is_free(folder):
            continue
        lock = _lock(folder)
        if lock is not None:
            if _is_free(folder):
                return folder, lock
            lock.release()
    raise AssertionError("numbers do not end")


def _is_free(folder: Path) -> bool:
    return not folder.exists() or all(path.name == LOCK for path in folder.iterdir())


def _lock(folder: Path) -> "BaseFileLock | None":
    """Lock a folder, which is made if it is not there; None where another process has it."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be written: {error.strerror}") from error
    return lock


@contextlib.contextmanager
def _owning(folder: Path, lock: "BaseFileLock") -> Iterator[None]:
    _owned.add(folder.absolute())
    try:
        yield
    finally:
        _owned.discard(folder.absolute())
        if folder.is_dir() and _is_free(folder):
            (folder / LOCK).unlink(missing_ok=True)
            lock.release()
            with contextlib.suppress(OSError):  # another process has come in
                folder.rmdir()
        lock.release()
