"""Unpacking archives from elsewhere: files alone, in their place, and no more than was expected."""

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

MAX_BYTES = 1024**3
"""All files of an archive together; CamVid's have 0.2 GB."""


def unpack(archive: Path, target: Path, folder: str, max_bytes: int = MAX_BYTES) -> None:
    """Unpack the files below the first ``folder`` of each path in a zip file, as a stream.

    Args:
        archive: the zip file.
        target: the folder to be made of it.
        folder: name of the folder in the archive that is wanted; the others are left out.
        max_bytes: what the files may come to.

    Raises:
        KeyError: there is no such folder; or a member of it is a link or a device, has an absolute path or one that
            leads out of the folder, or the files are larger than allowed.
        zipfile.BadZipFile: the archive is damaged.
    """
    with zipfile.ZipFile(archive) as files:
        members = [(_place(info, folder), info) for info in files.infolist() if f"/{folder}/" in info.filename]
        wanted = [(place, info) for place, info in members if not info.is_dir()]
        if not wanted:
            raise KeyError(f"it has no folder {folder}")
        # Reading a member ends at the size that the list gives it, so that the sum holds whatever is packed.
        if sum(info.file_size for _, info in wanted) > max_bytes:
            raise KeyError(f"its files are larger than {max_bytes:,} bytes")
        for place, info in wanted:
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.open(info) as source, path.open("wb") as file:
                shutil.copyfileobj(source, file)


def _place(info: zipfile.ZipInfo, folder: str) -> PurePosixPath:
    """Return where a member belongs, relative to the folder."""
    place = PurePosixPath(info.filename.split(f"/{folder}/", 1)[1])
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise KeyError(f"{info.filename} is a link or a device")
    unsafe = place.is_absolute() or ".." in place.parts or "\\" in info.filename or ":" in str(place)
    if unsafe:
        raise KeyError(f"unsafe path {info.filename}")
    return place
