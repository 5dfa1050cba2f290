"""Bringing files of a packed set from an address: HTTP by ourselves, object storage by litdata's downloaders."""

import contextlib
import hashlib
import logging
import os
import tempfile
from pathlib import Path
from typing import Protocol

import filelock

from segnet.data.download import ResumingDownloader
from segnet.errors import UserError

log = logging.getLogger(__name__)


def checksum(content: bytes) -> str:
    """Return the checksum of a small file of a packed set."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def fetch_file(url: str, path: Path) -> None:
    """Fetch one file; it appears whole or not at all.

    Args:
        url: ``http://``, ``https://``, or what litdata reads: ``s3://``, ``gs://``, ``azure://``, ``r2://``, ``hf://``,
            and ``local:PATH`` for a slow disk. Who may read comes from the environment, as for the store's own tools.
        path: where to.

    Raises:
        UserError: it did not arrive.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if url.startswith(("http://", "https://")):
            ResumingDownloader(part, show=False)(url, str(path), None)
        else:
            _fetch_by_litdata(url, path, part)
    except Exception as error:  # of requests, boto3, obstore, huggingface_hub and others, by the address
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{url} could not be fetched ({reason}): is data.root right, and may you read it?") from error
    if not path.is_file():
        raise UserError(f"{url} could not be fetched: is data.root right, and may you read it?")


def _fetch_by_litdata(url: str, path: Path, part: Path) -> None:
    from litdata.streaming.downloader import get_downloader

    downloader = get_downloader(url.rpartition("/")[0], str(path.parent), [])
    if url.startswith(("hf://", "local:")):
        downloader.download_file(url, str(path))
        return
    # By the store's own client: for whole files litdata may take another one, which does not outlive a fork.
    try:
        with part.open("wb") as file:
            downloader.download_fileobj(url, file)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def fetched_bytes(url: str) -> bytes:
    """Fetch a small file and return its content.

    Raises:
        UserError: see :func:`fetch_file`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        fetch_file(url, path)
        return path.read_bytes()


class ChunkFolder(Protocol):
    """Where the files of a split lie.

    Attributes:
        path: a folder on this machine.
    """

    path: Path

    def content(self, name: str, digest: str) -> bytes:
        """Return a small file, checked by :func:`checksum`.

        Raises:
            UserError: it is missing, or damaged.
        """
        ...

    def need(self, name: str, size: int) -> None:
        """Have a chunk lie in the folder.

        Args:
            name: of its file.
            size: bytes.

        Raises:
            UserError: it is missing, or of another size.
        """
        ...

    def discard(self, name: str) -> bool:
        """Delete a damaged chunk, if it is a copy; return whether another one can be had."""
        ...


class LocalFolder:
    """A split whose chunks lie on this machine, or on a disk that it mounts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def content(self, name: str, digest: str) -> bytes:
        """See :class:`ChunkFolder`."""
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise UserError(f"{self.path / name} is missing: copy the packed set again ({error.strerror})") from error
        if checksum(content) != digest:
            raise UserError(f"{self.path / name} is damaged: copy it again, or pack the data set again")
        return content

    def need(self, name: str, size: int) -> None:
        """See :class:`ChunkFolder`."""
        found = _size(self.path / name)
        if found is None:
            raise UserError(f"the chunk {self.path / name} is missing: copy it again, or pack the data set again")
        if found != size:
            raise UserError(
                f"the chunk {self.path / name} is damaged ({found} bytes, and not {size}): copy it again, or pack the "
                f"data set again"
            )

    def discard(self, name: str) -> bool:
        """There is no other copy."""
        return False


class FetchedFolder:
    """A split that lies at an address; chunks are fetched when they are needed, and those not used for longest deleted.

    Processes share the folder: of several that need a chunk one fetches it.

    Args:
        url: of the split.
        path: the folder of copies; beside it lie those of the other splits, for which the budget holds too.
        budget: most bytes of chunks.
    """

    def __init__(self, url: str, path: Path, budget: int) -> None:
        self.url, self.path, self.budget = url, path, budget

    def content(self, name: str, digest: str) -> bytes:
        """See :class:`ChunkFolder`; a copy of what was packed is kept."""
        path = self.path / name
        with self._locked(name):
            with contextlib.suppress(OSError):
                if checksum(content := path.read_bytes()) == digest:
                    return content
                path.unlink()
            fetch_file(f"{self.url}/{name}", path)
            content = path.read_bytes()
        if checksum(content) != digest:
            raise UserError(f"{self.url}/{name} is damaged: copy it there again, or pack the data set again")
        return content

    def need(self, name: str, size: int) -> None:
        """See :class:`ChunkFolder`."""
        path = self.path / name
        if size > self.budget:
            raise UserError(
                f"the chunk {self.url}/{name} has {size} bytes, more than data.chunk_cache_gib={self.budget / 2**30:g} "
                f"holds: set a larger one"
            )
        if _size(path) == size:
            with contextlib.suppress(OSError):
                os.utime(path)  # it is not the next to be deleted
            return
        with self._locked(name):
            if _size(path) == size:
                return  # another process was faster
            path.unlink(missing_ok=True)
            self._make_room(size)
            fetch_file(f"{self.url}/{name}", path)
            if (found := _size(path)) != size:
                path.unlink(missing_ok=True)
                raise UserError(f"{self.url}/{name} is damaged ({found} bytes, and not {size}): copy it there again")
            log.debug("fetched %s/%s", self.url, name)

    def discard(self, name: str) -> bool:
        """See :class:`ChunkFolder`."""
        (self.path / name).unlink(missing_ok=True)
        return True

    def _locked(self, name: str) -> filelock.BaseFileLock:
        self.path.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self.path / f".{name}.lock")

    def _make_room(self, size: int) -> None:
        """Delete chunks, those not used for longest first; a process that still reads one keeps its mapping."""
        with filelock.FileLock(self.path.parent / ".room.lock"):
            facts = {path: path.stat() for path in self.path.parent.glob("*/*.bin") if path.exists()}
            total = sum(fact.st_size for fact in facts.values())
            for path in sorted(facts, key=lambda path: facts[path].st_mtime_ns):
                if total + size <= self.budget:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= facts[path].st_size


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
