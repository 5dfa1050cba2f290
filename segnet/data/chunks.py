"""Items of bytes in litdata's chunks, read by their number."""

import bisect
import itertools
import json
import os
import re
import threading
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segnet.data.fetching import ChunkFolder
from segnet.errors import UserError
from segnet.extras import install_command

if TYPE_CHECKING:
    from litdata.streaming import Cache

FILE = re.compile(r"[\w-][\w.-]*\.bin")
ATTEMPTS = 3


def require_litdata() -> None:
    """Say how to install what packed sets need.

    Raises:
        UserError: litdata is not installed.
    """
    if find_spec("litdata") is None:
        raise UserError(f"packed data sets need the package litdata: {install_command('pack')}")


def open_cache(path: Path, chunk_bytes: int, chunks: int = 0) -> "Cache":
    """Open a folder of chunks with litdata, to write items of bytes or to read them.

    Args:
        path: the folder.
        chunk_bytes: most bytes of a chunk that is written.
        chunks: how many there are to be read.
    """
    from litdata.streaming import Cache
    from litdata.streaming.item_loader import PyTreeLoader
    from litdata.streaming.resolver import Dir

    loader = PyTreeLoader(batch_decode=0)  # one item at a time
    loader.set_mmap_allowed_chunks(set(range(chunks)))  # mapped one after another; its other way leaves files open
    # As a Dir: a text would be looked at for names of places on its makers' platform.
    # Its own limit is for what it fetches itself; left open, it looks at the disk and writes a line.
    return Cache(Dir(path=str(path), url=None), chunk_bytes=chunk_bytes, item_loader=loader, max_cache_size=1 << 50)


class Chunks:
    """The items of a split, found by their number; a chunk is mapped as long as items of it are asked for in a row.

    It can be used by several threads, and after a fork.

    Args:
        folder: where the chunks lie.
        index: the content of litdata's ``index.json``.
        checksums: CRC-32 of each item.

    Raises:
        UserError: the index is not that of a packed set.
    """

    def __init__(self, folder: ChunkFolder, index: bytes, checksums: Sequence[int]) -> None:
        self.folder, self.checksums = folder, checksums
        chunks = _checked_chunks(index, folder.path)
        self.names = [str(chunk["filename"]) for chunk in chunks]
        self.bytes = [int(chunk["chunk_bytes"]) for chunk in chunks]
        self.sizes = [int(chunk["chunk_size"]) for chunk in chunks]
        self.starts = [0, *itertools.accumulate(self.sizes)]
        if self.starts[-1] != len(checksums):
            items = f"{self.starts[-1]} items, and not {len(checksums)}"
            raise UserError(f"{folder.path} is damaged ({items}): copy it again")
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._opened: tuple[int, Cache] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is open."""
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start as if new."""
        self.__dict__.update(state)
        self._start()

    def read(self, number: int) -> bytes:
        """Return an item.

        Raises:
            UserError: its chunk is missing or damaged, or could not be fetched.
        """
        from litdata.streaming.sampler import ChunkedIndex

        chunk = bisect.bisect_right(self.starts, number) - 1
        name, reason = self.names[chunk], ""
        for _ in range(ATTEMPTS):
            self.folder.need(name, self.bytes[chunk])
            try:
                with self._lock:
                    # A copy: a view would keep the whole chunk mapped.
                    item = bytes(self._cache()[ChunkedIndex(index=number, chunk_index=chunk)])
            except FileNotFoundError:  # deleted by a process that needed room
                reason = "is deleted again and again: set a larger data.chunk_cache_gib"
                continue
            except Exception:  # of struct, numpy and litdata, by the place of the damage
                item = b""
            if zlib.crc32(item) == self.checksums[number]:
                return item
            reason = "is damaged: copy it again, or pack the data set again"
            self._close()
            if not self.folder.discard(name):
                break
        raise UserError(f"the chunk {self.folder.path / name} {reason}")

    def _cache(self) -> "Cache":
        """Return what reads, opened in this process."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), open_cache(self.folder.path, 1, len(self.names))
        return self._opened[1]

    def _close(self) -> None:
        with self._lock:
            self._opened = None


def _checked_chunks(index: bytes, place: Path) -> list[dict[str, Any]]:
    """Return the chunks that an index names, if it holds plain bytes: another form could have litdata unpickle them."""
    try:
        content = json.loads(index)
        config, chunks = content["config"], content["chunks"]
        whole = (
            config["data_format"] == ["bytes"]
            and json.loads(config["data_spec"])[1]["type"] is None
            and not any(config.get(key) for key in ("compression", "encryption", "ipc_compression"))
            and config["item_loader"] == "PyTreeLoader"
            and all(FILE.fullmatch(chunk["filename"]) for chunk in chunks)
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"the index of {place} is damaged ({error}): copy it again") from error
    if not whole:
        raise UserError(f"the index of {place} is not what segnet-data pack writes: pack the data set again")
    return list(chunks)
