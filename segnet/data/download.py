"""Fetching the archives of public sets: resumed after a cut, checked, and put in their place as a whole.

Pooch checks and stores the files. Its own downloader begins again after a cut, so that there is one here that resumes.
"""

import logging
import os
import shutil
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import filelock

from segnet.data.archives import unpack
from segnet.errors import UserError

if TYPE_CHECKING:
    import requests
    from rich.progress import Progress, TaskID

log = logging.getLogger(__name__)

CHUNK = 1 << 14
"""Bytes that are read at a time, and at most lost by a cut."""
TIMEOUT = 30
"""Seconds without a byte after which a connection counts as cut."""


@dataclass(frozen=True)
class Archive:
    """One file of a public set.

    Attributes:
        url: where it is.
        checksum: as in "md5:0123...", from a source that is named beside it; None where none is published. The parts
            of zip and gzip files have checksums of their own.
        folder: name of the folder inside that is wanted; empty for all that is in it.
        target: where the content of that folder belongs, below the root of the set.
        max_gib: most that its files may come to.
    """

    url: str
    checksum: str | None = None
    folder: str = ""
    target: str = ""
    max_gib: float = 1.0

    @property
    def file(self) -> str:
        """Name of the file."""
        return urlsplit(self.url).path.rpartition("/")[2]


def fetch(name: str, archives: Sequence[Archive], root: Path, is_there: Callable[[], bool], pause: float = 1.0) -> None:
    """Download the archives of a set and make the folder ``root`` of them, which appears whole or not at all.

    What has arrived is kept in a hidden folder beside ``root`` until the set is whole, and a second call resumes
    there. Of several processes one downloads, and the others wait for it.

    Args:
        name: of the set, for messages.
        archives: its files.
        root: the folder to be made.
        is_there: says whether ``root`` holds the set.
        pause: seconds before a cut connection is tried again.

    Raises:
        UserError: there is no network, a file is not what it should be, or ``root`` has other files in it.
    """
    root = root.absolute()
    kept = root.parent / f".{root.name}-download"
    by_hand = " and ".join(_by_hand(archive, root) for archive in archives)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock := kept.with_suffix(".lock")):
            if is_there():
                return  # another process was faster
            if _has_files(root):
                raise UserError(f"{root} is not empty and holds no {name}: name another data.root")
            kept.mkdir(exist_ok=True)
            files = [_download(name, archive, kept, by_hand, pause) for archive in archives]
            _build(name, archives, files, root, by_hand)
            shutil.rmtree(kept, ignore_errors=True)
            lock.unlink(missing_ok=True)  # who waits for it finds the set
    except OSError as error:
        raise UserError(f"{name} cannot be written to {root} ({error}): {by_hand}") from error


def _by_hand(archive: Archive, root: Path) -> str:
    what = f"put its folder {archive.folder} at" if archive.folder else "unpack it into"
    return f"fetch {archive.url} elsewhere, and {what} {root / archive.target}"


def _has_files(root: Path) -> bool:
    return root.exists() and any(root.iterdir())


def _download(name: str, archive: Archive, kept: Path, by_hand: str, pause: float) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # it would write its own lines beside the bar
    downloader = ResumingDownloader(kept / f"{archive.file}.part", pause=pause)
    try:
        return Path(
            pooch.retrieve(
                archive.url, known_hash=archive.checksum, fname=archive.file, path=kept, downloader=downloader
            )
        )
    except requests.RequestException as error:
        reason = _plain_reason(error)
        raise UserError(f"{name} could not be downloaded from {archive.url} ({reason}): {by_hand}") from error
    except ValueError as error:
        raise UserError(
            f"{archive.url} has another checksum than {archive.checksum}: it was damaged on the way, or changed since "
            f"it was published; try again, or {by_hand}"
        ) from error


def _plain_reason(error: "requests.RequestException") -> str:
    """Say in a few words what went wrong; the library's own text is a chain of its objects."""
    import requests

    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)):
        return "the connection was cut several times; the same command resumes"
    return "the server cannot be reached: is there a network?"


def _build(name: str, archives: Sequence[Archive], files: Sequence[Path], root: Path, by_hand: str) -> None:
    """Unpack beside ``root``, then rename."""
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as folder:
        made = Path(folder) / "set"
        for archive, file in zip(archives, files, strict=True):
            log.info("unpacking %s", archive.file)
            try:
                unpack(file, made / archive.target, archive.folder, int(archive.max_gib * 2**30))
            except (zipfile.BadZipFile, tarfile.TarError, KeyError) as error:
                file.unlink()  # or the next call would take it again
                raise UserError(f"the archive from {archive.url} is not {name} ({error}): {by_hand}") from error
        if root.exists():
            root.rmdir()
        made.rename(root)


class ResumingDownloader:
    """Downloads over HTTP for Pooch, and continues where a connection was cut, in this process or in an earlier one.

    Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (Range).

    Args:
        part: keeps what has arrived, and stays where the download fails.
        attempts: connections in a row that bring nothing before it gives up.
        pause: seconds before the next attempt.
        show: whether there is a bar, and a line in the log.
    """

    def __init__(self, part: Path, attempts: int = 5, pause: float = 1.0, show: bool = True) -> None:
        self.part, self.attempts, self.pause, self.show = part, attempts, pause, show
        self.version = part.with_name(part.name + ".version")

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Bring ``url`` to ``output_file``.

        Raises:
            requests.RequestException: it did not arrive.
        """
        import requests

        failures = 0
        with _bar(self.part.name.removesuffix(".part"), self.show) as (progress, task):
            while True:
                before = self._size()
                try:
                    if self._continue(url, progress, task):
                        break
                    raise requests.exceptions.ChunkedEncodingError("the answer was shorter than it said")
                except requests.RequestException as error:
                    failures = 1 if self._size() > before else failures + 1
                    offline = isinstance(error, requests.ConnectionError) and not self._size()
                    if offline or _is_final(error) or failures >= self.attempts:
                        raise
                    log.info("%s: cut after %.1f MB, resuming", self.part.stem, self._size() / 1e6)
                time.sleep(self.pause)
        os.replace(self.part, output_file)
        self.version.unlink(missing_ok=True)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _continue(self, url: str, progress: "Progress", task: "TaskID") -> bool:
        """Ask for what is missing, and say whether all has arrived."""
        import requests

        have = self._size()
        headers = {"Accept-Encoding": "identity"}  # or the bytes on the way would not be those of the file
        if have:
            headers["Range"] = f"bytes={have}-"
            if self.version.exists():
                headers["If-Range"] = self.version.read_text(encoding="utf-8")
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == 416:  # nothing is missing, or what is here is longer than the file
                if answer.headers.get("Content-Range") == f"bytes */{have}":
                    return True
                self.part.unlink()
                return self._continue(url, progress, task)
            answer.raise_for_status()
            resumes = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if not resumes:
                have = 0
                self._note_version(answer)
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length is not None else None
            progress.update(task, total=total, completed=have)
            with self.part.open("ab" if resumes else "wb") as file:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    progress.advance(task, len(chunk))
        return total is None or self._size() == total

    def _note_version(self, answer: "requests.Response") -> None:
        """Keep what names this version of the file, so that parts of two versions are never joined."""
        tag = answer.headers.get("ETag", "")
        name = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
        if name:
            self.version.write_text(name, encoding="utf-8")
        else:
            self.version.unlink(missing_ok=True)


def _is_final(error: "requests.RequestException") -> bool:
    """Say whether asking again cannot help: the server refuses what is asked for."""
    return error.response is not None and error.response.status_code < 500


@contextmanager
def _bar(name: str, show: bool) -> "Iterator[tuple[Progress, TaskID]]":
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    log.log(logging.INFO if show else logging.DEBUG, "downloading %s", name)
    columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    hidden = not (show and sys.stdout.isatty())
    with Progress(*columns, TimeRemainingColumn(), transient=True, disable=hidden) as progress:
        yield progress, progress.add_task(name, total=None)
