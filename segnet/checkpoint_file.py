"""Checkpoint files: written beside their place and then renamed, with a checksum that is verified on reading."""

import contextlib
import hashlib
import os
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from segnet.errors import UserError
from segnet.run_folder import beside, checkpoint_file, move_into_place, resuming

PREVIOUS = "previous"
"""Name of the last checkpoint but one, kept while a training runs."""
SIGNATURE = re.compile(rb"segnet blake2b ([0-9a-f]{64})\Z")
SIGNATURE_SIZE = len("segnet blake2b ") + 64
END_OF_ZIP = b"PK\x05\x06"
CHUNK = 1 << 20


class _Hashed:
    """A binary file that hashes what it is given, but for the last two bytes, and remembers an error.

    Torch's writer does not take an error well, so the bytes after one are dropped; ``error`` is raised afterwards.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.blake2b(digest_size=32)
        self._held = b""
        self.error: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        view = memoryview(data).cast("B")
        if self.error is None:
            try:
                self._file.write(view)
            except OSError as error:
                self.error = error
        if len(view) >= 2:
            self._digest.update(self._held)
            self._digest.update(view[:-2])
            self._held = bytes(view[-2:])
        else:
            joined = self._held + bytes(view)
            self._digest.update(joined[:-2])
            self._held = joined[-2:]
        return len(view)

    def flush(self) -> None:
        """Do nothing: the file is flushed at its end."""

    def finish(self) -> None:
        """Put the checksum into the comment with which a zip file may end; its length is the last two bytes."""
        if self.error is None:
            self._file.seek(-2, os.SEEK_END)
            self._file.write(SIGNATURE_SIZE.to_bytes(2, "little"))
            self._file.write(b"segnet blake2b " + self._digest.hexdigest().encode())
        else:
            raise self.error


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all; until it is complete, the one before stays where it is.

    ``last.ckpt`` becomes ``previous.ckpt``, so that there is another one if the new one is damaged later.

    Args:
        checkpoint: tensors and plain values.
        path: where to, in the ``checkpoints`` folder of a run.

    Raises:
        UserError: the disk is full, the folder is gone, or cannot be written.
    """
    import torch

    with write_errors(path):
        path.parent.mkdir(exist_ok=True)
        part = beside(path)
        try:
            with part.open("wb") as file:
                hashed = _Hashed(file)
                torch.save(checkpoint, cast(BinaryIO, hashed))
                hashed.finish()
                file.flush()
                os.fsync(file.fileno())
            if path.name == checkpoint_file("last").name and path.exists():
                _keep_as_previous(path)
            move_into_place(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Say in a sentence why a checkpoint cannot be written, and what is left.

    Raises:
        UserError: the system refused.
    """
    try:
        yield
    except OSError as error:
        what = f"{path} could not be written ({error.strerror})"
        run_dir = path.parent.parent
        if not run_dir.is_dir():
            raise UserError(f"{what}: the folder {run_dir} is gone; start again in another run_dir") from error
        raise UserError(
            f"{what}; the checkpoint before it is whole: make room, then continue with segnet-train {resuming(run_dir)}"
        ) from error


def _keep_as_previous(path: Path) -> None:
    """Give the present file a second name; where a file system has none, there is no previous one."""
    previous, link = path.with_stem(PREVIOUS), beside(path.with_stem(PREVIOUS))
    with contextlib.suppress(OSError, NotImplementedError):
        link.unlink(missing_ok=True)
        os.link(path, link)
        link.replace(previous)
    link.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; nothing in it is executed.

    Raises:
        UserError: it is not there, it is damaged, or it holds more than tensors and plain values.
    """
    import torch

    verify_checkpoint(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # whose own words say how to execute what is in it
        raise UserError(f"{path} holds more than tensors and plain values, and is not loaded") from None
    except Exception as error:
        raise UserError(f"{path} is damaged, or no checkpoint: {_how_to_go_on(path)}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise UserError(f"{path} is no checkpoint of a training: it has no state_dict")
    return checkpoint


def verify_checkpoint(path: Path) -> None:
    """Compare a checkpoint with its checksum, or one of an older version with those of the zip file that it is.

    Raises:
        UserError: they differ, or the file is not there.
    """
    try:
        if not _is_whole(path):
            raise UserError(f"{path} is damaged: {_how_to_go_on(path)}")
    except FileNotFoundError:
        raise UserError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def _how_to_go_on(path: Path) -> str:
    others = [other.name for other in sorted(path.parent.glob("*.ckpt")) if other != path]
    if not others:
        return "copy the run again, or train again in another run_dir"
    return f"copy the run again, or use {' or '.join(others)} of the same run"


def _is_whole(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - SIGNATURE_SIZE))
        end = file.read()
        signature = SIGNATURE.fullmatch(end)
        if signature is None:
            return end[-22:-18] == END_OF_ZIP and _is_whole_zip(path)
        file.seek(0)
        digest, left = hashlib.blake2b(digest_size=32), size - SIGNATURE_SIZE - 2
        while left:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                return False
            digest.update(chunk)
            left -= len(chunk)
        return digest.hexdigest().encode() == signature[1] and file.read(2) == SIGNATURE_SIZE.to_bytes(2, "little")


def _is_whole_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        return False


def find_resumable(run_dir: Path) -> tuple[Path | None, list[str]]:
    """Find the checkpoint from which a run is resumed: the last, or where it is damaged the one before.

    Returns:
        The checkpoint, or None where the run has none yet; and a sentence on each damaged one that was passed over.

    Raises:
        UserError: there are checkpoints, and all are damaged.
    """
    problems = []
    for name in ("last", PREVIOUS, "best"):
        path = run_dir / checkpoint_file(name)
        if not path.exists():
            continue
        try:
            verify_checkpoint(path)
        except UserError as error:
            problems.append(str(error))
        else:
            return path, problems
    if problems:
        raise UserError(problems[0])
    return None, []


def drop_previous(run_dir: Path) -> None:
    """Remove the last checkpoint but one, once the training is completed."""
    (run_dir / checkpoint_file(PREVIOUS)).unlink(missing_ok=True)
