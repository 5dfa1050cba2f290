"""Decoded once: the pixels of a split in one memory-mapped file."""

import contextlib
import fcntl
import hashlib
import inspect
import io
import json
import logging
import mmap
import os
import pickle
import shutil
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from segnet.data import images
from segnet.data.samples import FileDataset, SegmentationDataset
from segnet.errors import UserError
from segnet.randomness import numpy_stream

log = logging.getLogger(__name__)

MAGIC = b"segnet01"  # of the layout below; count up when it changes
FOLDER = ".segnet-cache"
SWITCH = "data.cache_budget_gib=0 switches the cache off"


class Entry(NamedTuple):
    """Where a sample lies in the file: image ``(C, H, W)``, then label ``(H, W)``, both uint8."""

    offset: int
    image: list[int]
    label: list[int]
    checksum: int

    @property
    def nbytes(self) -> int:
        """Bytes of image and label."""
        return int(np.prod(self.image) + np.prod(self.label))


class CachedDataset:
    """A split whose samples are decoded when the first one is asked for, and read from one file after that.

    The file is used as long as nothing changes that it was made from: name, size and time of each source file (to
    the nanosecond), the data set's attributes, the code of its class and of :mod:`segnet.data.images`, and Pillow.
    It appears whole or not at all; of several processes that start at once one decodes, and the others wait for it.
    A damaged file is made anew, and a damaged sample in it is decoded from its files. Where no file can be written or
    it would be too large, samples are decoded each time, with a line in the log.

    The file holds the pixels of one sample after another, an index in JSON, its BLAKE2b digest (32 bytes), its length
    (8 bytes, little-endian) and :data:`MAGIC`.

    Args:
        dataset: the split.
        split: its name.
        budget: largest size of the file, bytes.
        folder: where to put it; None takes the folder of the source files, or, where that is read-only, the user's
            cache folder (``XDG_CACHE_HOME``, or ``~/.cache``).
    """

    def __init__(self, dataset: FileDataset, split: str, budget: int, folder: str | Path | None = None) -> None:
        self.dataset, self.split, self.budget, self.folder = dataset, split, budget, folder
        self.ids = dataset.ids
        self._start()

    def _start(self) -> None:
        self._opened = False
        self._lock = threading.Lock()
        self._place = Path()
        self._bytes, self._entries, self._sound = np.zeros(0, np.uint8), [], set()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapping out: a process maps the file itself."""
        return {name: getattr(self, name) for name in ("dataset", "split", "budget", "folder", "ids")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start as if new."""
        self.__dict__.update(state)
        self._start()

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return image ``(H, W, C)`` and label ``(H, W)`` uint8, read-only; the image's planes lie one by one."""
        self.open()
        if not self._entries:
            return self.dataset.load(index, random)
        entry = self._entries[index]
        pixels = self._bytes[entry.offset : entry.offset + entry.nbytes]
        if index not in self._sound:
            if zlib.crc32(pixels) != entry.checksum:
                log.warning("data cache: %s is damaged at %s: delete it", self._place, self.ids[index])
                return self.dataset.load(index, random)
            self._sound.add(index)
        planes = int(np.prod(entry.image))
        return pixels[:planes].reshape(entry.image).transpose(1, 2, 0), pixels[planes:].reshape(entry.label)

    def open(self) -> None:
        """Map the file, after making it where there is none that is up to date."""
        with self._lock:
            if self._opened:
                return
            self._opened = True
            key = self._key()
            if key is None:
                log.info("data cache: %s of %s cannot be told apart from others", self.split, type(self.dataset))
                return
            for folder in self._folders():
                if self._map(folder / self._name(), key):
                    log.debug("data cache: reading %s from %s; %s", self.split, self._place, SWITCH)
                    return
            self._make(key)

    def _name(self) -> str:
        """One file for each folder of sources and split: another way of decoding replaces it, and nothing piles up."""
        source = hashlib.blake2b(str(self._source_folder()).encode(), digest_size=6).hexdigest()
        return f"{type(self.dataset).__qualname__}-{self.split}-{source}.cache"

    def _source_folder(self) -> Path:
        return Path(os.path.commonpath([path.absolute().parent for path in self._files()]))

    def _files(self) -> Iterator[Path]:
        for index in range(len(self.ids)):
            yield from map(Path, self.dataset.files(index))

    def _folders(self) -> list[Path]:
        if self.folder is not None:
            return [Path(self.folder)]
        users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return [self._source_folder() / FOLDER, users / "segnet"]

    def _key(self) -> str | None:
        """Hash all that decides what the samples are; None where that cannot be said."""
        try:
            state = _dump(self.dataset)
            classes = [kind for kind in type(self.dataset).__mro__ if kind.__module__ not in ("builtins", "typing")]
            code = [Path(inspect.getfile(part)).read_bytes() for part in (*classes, images)]
        except (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError, OSError):
            return None
        stamps = [self._stamp(path) for path in self._files()]
        digest = hashlib.blake2b(digest_size=32)
        for part in (MAGIC, PIL.__version__.encode(), repr(stamps).encode(), state, *code):
            digest.update(hashlib.blake2b(part).digest())
        return digest.hexdigest()

    def _stamp(self, path: Path) -> tuple[str, int, int]:
        try:
            found = path.stat()
        except OSError as error:
            raise UserError(f"the file {path} of the split {self.split} cannot be read: {error}") from error
        return str(path), found.st_size, found.st_mtime_ns

    def _map(self, path: Path, key: str) -> bool:
        """Map the file if it is whole and up to date."""
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # not there, not readable, or empty
            return False
        found = _read_index(mapped)
        if found is None:
            log.warning("data cache: %s is damaged, and made anew", path)
            return False
        if found["key"] != key:
            return False
        self._place, self._bytes = path, np.frombuffer(mapped, np.uint8)
        self._entries = [Entry(*values) for values in found["samples"]]
        return True

    def _make(self, key: str) -> None:
        image, label = self._decode(0)
        expected = (image.nbytes + label.nbytes) * len(self.ids)
        if expected > self.budget:
            log.info(
                "data cache: %s would take %.1f GiB, more than data.cache_budget_gib=%g: decoded in every epoch",
                *(self.split, expected / 2**30, self.budget / 2**30),
            )
            return
        reasons = []
        for folder in self._folders():
            try:
                self._write(folder, key, expected)
            except OSError as error:
                reasons.append(f"{folder} ({error})")
            else:
                return
        log.warning(
            "data cache: %.2f GiB could not be written to %s: %s is decoded in every epoch; data.cache_dir=FOLDER "
            "names another place, and %s",
            *(expected / 2**30, " nor to ".join(reasons), self.split, SWITCH),
        )

    def _write(self, folder: Path, key: str, expected: int) -> None:
        """Write the file beside its place and rename it, unless another process did so meanwhile."""
        path = folder / self._name()
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if self._map(path, key):
                return
            if shutil.disk_usage(folder).free < expected:
                raise OSError("the disk is full")
            with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{path.name}.", delete=False) as beside:
                try:
                    self._write_samples(beside, key)
                    beside.flush()
                    # As readable as what it was made from; a temporary file is its owner's alone.
                    os.fchmod(beside.fileno(), next(self._files()).stat().st_mode & 0o666 | 0o200)
                    os.replace(beside.name, path)
                except BaseException:
                    os.unlink(beside.name)
                    raise
            if not self._map(path, key):
                raise OSError("what was written cannot be read again")
        log.info(
            "data cache: decoded the %d samples of %s once, into %s (%.0f MB); %s",
            *(len(self.ids), self.split, path, len(self._bytes) / 1e6, SWITCH),
        )

    def _write_samples(self, file: Any, key: str) -> None:
        entries: list[Entry] = []
        with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as pool:
            for start in range(0, len(self.ids), 16):  # not all at once, or they would be held in memory
                for image, label in pool.map(self._decode, range(start, min(start + 16, len(self.ids)))):
                    pixels = image.tobytes() + label.tobytes()
                    entries.append(Entry(file.tell(), list(image.shape), list(label.shape), zlib.crc32(pixels)))
                    file.write(pixels)
                if file.tell() > self.budget:
                    raise OSError("more than data.cache_budget_gib")
        index = json.dumps({"key": key, "samples": entries}).encode()
        file.write(index + hashlib.blake2b(index, digest_size=32).digest() + len(index).to_bytes(8, "little") + MAGIC)

    def _decode(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return image ``(C, H, W)`` and label ``(H, W)``."""
        image, label = self.dataset.load(index, numpy_stream("decoded once", index))
        if image.dtype != np.uint8 or label.dtype != np.uint8 or image.ndim != 3 or label.ndim != 2:
            raise UserError(
                f"{self.ids[index]} of {type(self.dataset).__qualname__} is an image {image.shape} {image.dtype} with "
                f"a label {label.shape} {label.dtype}: load() must return (H, W, C) and (H, W), both uint8"
            )
        return image.transpose(2, 0, 1), label


def decode_once(
    dataset: SegmentationDataset, split: str, budget: int, folder: str | Path | None = None
) -> SegmentationDataset:
    """Return the split behind a cache, or as it is where it is not made from files or the budget is 0.

    Args:
        dataset: the split; it is made from files if it has ``files``, see :class:`segnet.data.samples.FileDataset`.
        split: its name.
        budget: see :class:`CachedDataset`; likewise the next.
        folder: see there.
    """
    if budget <= 0 or not hasattr(dataset, "files") or not len(dataset.ids):
        return dataset
    return CachedDataset(dataset, split, budget, folder)


def _dump(values: object) -> bytes:
    """Pickle by value: without memory of which equal parts are one object, so that a copy gives the same bytes."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=4)
    pickler.fast = True
    pickler.dump(values)
    return stream.getvalue()


def _read_index(mapped: Sequence[int]) -> dict[str, Any] | None:
    """Read the index at the end of a file; None if the file is not whole."""
    tail = 32 + 8 + len(MAGIC)
    if len(mapped) < tail or mapped[-len(MAGIC) :] != MAGIC:
        return None
    length = int.from_bytes(mapped[-16:-8], "little")
    index = mapped[max(0, len(mapped) - tail - length) : len(mapped) - tail]
    if hashlib.blake2b(index, digest_size=32).digest() != mapped[-tail:-16]:
        return None
    found = json.loads(index)
    pixels = sum(Entry(*values).nbytes for values in found["samples"])
    return found if pixels + length + tail == len(mapped) else None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder; the system lets go of it when the process ends, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # On a file system without locks each process writes a file of its own, and the last rename wins.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
