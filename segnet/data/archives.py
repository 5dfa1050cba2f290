"""Unpacking archives from elsewhere: files alone, in their place, and no more than was expected."""

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

MAX_BYTES = 1024**3
"""All files of an archive together; CamVid's have 0.2 GB."""


def unpack(archive: Path, target: Path, folder: str = "", max_bytes: int = MAX_BYTES) -> None:
    """Unpack the files below the first ``folder`` of each path in a zip or tar file, as a stream.

    Args:
        archive: the file; a tar file may be compressed.
        target: the folder to be made of it.
        folder: name of the folder in the archive that is wanted, the others are left out; empty for all.
        max_bytes: what the files may come to.

    Raises:
        KeyError: there is no such folder; or a member of it is a link or a device, has an absolute path or one that
            leads out of the folder, or the files are larger than allowed. Of a zip file nothing is unpacked then.
        zipfile.BadZipFile: the archive is damaged.
        tarfile.TarError: the same.
    """
    with archive.open("rb") as start:
        is_zip = start.read(2) == b"PK"
    if is_zip:
        _unpack_zip(archive, target, folder, max_bytes)
    else:
        _unpack_tar(archive, target, folder, max_bytes)


def _unpack_zip(archive: Path, target: Path, folder: str, max_bytes: int) -> None:
    with zipfile.ZipFile(archive) as files:
        members = [
            (_place(info.filename, folder, _kind_in_zip(info)), info)
            for info in files.infolist()
            if _is_inside(info.filename, folder)
        ]
        wanted = [(place, info) for place, info in members if not info.is_dir()]
        if not wanted:
            raise KeyError(f"it has no folder {folder}" if folder else "it has no files")
        # Reading a member ends at the size that the list gives it, so that the sum holds whatever is packed.
        if sum(info.file_size for _, info in wanted) > max_bytes:
            raise KeyError(f"its files are larger than {max_bytes:,} bytes")
        for place, info in wanted:
            with files.open(info) as source:
                _write(source, target / place)


def _unpack_tar(archive: Path, target: Path, folder: str, max_bytes: int) -> None:
    """Read a tar file once from its start to its end, since a compressed one cannot be read twice at little cost."""
    bytes_left, found = max_bytes, False
    with _sound_stream(archive) as files:
        for info in files:
            if not _is_inside(info.name, folder) or info.isdir():
                continue
            place = _place(info.name, folder, stat.S_IFREG if info.isreg() else stat.S_IFLNK)
            bytes_left -= info.size
            if bytes_left < 0:
                raise KeyError(f"its files are larger than {max_bytes:,} bytes")
            source = files.extractfile(info)
            assert source is not None  # it is a regular file
            _write(source, target / place)
            found = True
    if not found:
        raise KeyError(f"it has no folder {folder}" if folder else "it has no files")


@contextmanager
def _sound_stream(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar file; what its decompression raises is a damaged archive too."""
    try:
        with tarfile.open(archive, "r:*") as files:
            yield files
    except (EOFError, OverflowError, ValueError) as error:
        raise tarfile.ReadError(str(error)) from error


def _write(source: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)


def _is_inside(name: str, folder: str) -> bool:
    return not folder or f"/{folder}/" in f"/{name}"


def _kind_in_zip(info: zipfile.ZipInfo) -> int:
    return stat.S_IFMT(info.external_attr >> 16)


def _place(name: str, folder: str, kind: int) -> PurePosixPath:
    """Return where a member belongs, relative to the folder."""
    inside = f"/{name}".split(f"/{folder}/", 1)[1] if folder else name
    place = PurePosixPath(inside)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise KeyError(f"{name} is a link or a device")
    if place.is_absolute() or ".." in place.parts or "\\" in name or ":" in str(place):
        raise KeyError(f"unsafe path {name}")
    return place
