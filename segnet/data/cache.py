"""Decoded once: the pixels of a split in a memory-mapped file."""

import contextlib
import hashlib
import inspect
import io
import logging
import os
import pickle
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import filelock
import numpy as np
import PIL

from segnet.data import images
from segnet.data.pixel_file import DamagedError, PixelFile, open_pixels, write_pixels
from segnet.data.samples import FileDataset, SegmentationDataset, sample_groups
from segnet.devices import available_cores
from segnet.errors import UserError
from segnet.randomness import numpy_stream

log = logging.getLogger(__name__)

LAYOUT = b"segnet02"  # of the files below; count up when it changes
FOLDER = ".segnet-cache"
SWITCH = "data.cache_budget_gib=0 switches the cache off"


class CachedDataset:
    """A split whose samples are decoded when the first one is asked for, and read from a file after that.

    The file is used as long as nothing changes that it was made from: name, size and time of each source file (to
    the nanosecond), the data set's attributes, the code of its class and of :mod:`segnet.data.images`, and Pillow.
    It appears whole or not at all; of several processes that start at once one decodes, and the others wait for it.
    A damaged file is written again, and a damaged sample in it is decoded from its files. Where no file can be written
    or it would be too large, samples are decoded each time, with a line in the log.

    The pixels lie in a ``.npy`` file, which numpy opens without segnet too; a ``.json`` file beside it says where each
    sample lies and what it was made from (:mod:`segnet.data.pixel_file`), and a ``.lock`` file is there for the lock.

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
        self._pixels: PixelFile | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapping out: a process maps the file itself."""
        return {name: getattr(self, name) for name in ("dataset", "split", "budget", "folder", "ids")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start as if new."""
        self.__dict__.update(state)
        self._start()

    @property
    def groups(self) -> list[str]:
        """Name of the group of each sample."""
        return sample_groups(self.dataset)

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return image ``(H, W, C)`` and label ``(H, W)`` uint8, read-only; the image's planes lie one by one."""
        self.open()
        if self._pixels is None:
            return self.dataset.load(index, random)
        try:
            image, label = self._pixels.read(index)
        except DamagedError:
            log.warning("data cache: %s is damaged at %s: delete it", self._path, self.ids[index])
            return self.dataset.load(index, random)
        return image.transpose(1, 2, 0), label

    def open(self) -> None:
        """Map the file, after making it where there is none that is up to date."""
        with self._lock:
            if self._opened:
                return
            self._opened = True
            key = self.key()
            if key is None:
                log.info("data cache: %s of %s cannot be told apart from others", self.split, type(self.dataset))
                return
            for folder in self.folders():
                if self._map(folder / self._name(), key):
                    log.debug("data cache: reading %s from %s; %s", self.split, self._path, SWITCH)
                    return
            self._make(key)

    def _name(self) -> str:
        """One file for each folder of sources and split: another way of decoding replaces it, and nothing piles up."""
        source = hashlib.blake2b(str(self.source_folder()).encode(), digest_size=6).hexdigest()
        return f"{type(self.dataset).__qualname__}-{self.split}-{source}.json"

    def source_folder(self) -> Path:
        """Return the folder that all files of the split are in."""
        return Path(os.path.commonpath([path.absolute().parent for path in self._files()]))

    def _files(self) -> Iterator[Path]:
        for index in range(len(self.ids)):
            yield from map(Path, self.dataset.files(index))

    def folders(self) -> list[Path]:
        """Return where the file may lie, the first choice first."""
        if self.folder is not None:
            return [Path(self.folder)]
        users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return [self.source_folder() / FOLDER, users / "segnet"]

    def key(self) -> str | None:
        """Hash all that decides what the samples are; None where that cannot be said."""
        try:
            state = _dump(self.dataset)
            classes = [kind for kind in type(self.dataset).__mro__ if kind.__module__ not in ("builtins", "typing")]
            parts: list[type | ModuleType] = [*classes, images]
            code = [Path(inspect.getfile(part)).read_bytes() for part in parts]
        except (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError, OSError):
            return None
        stamps = [self._stamp(path) for path in self._files()]
        digest = hashlib.blake2b(digest_size=32)
        for part in (LAYOUT, PIL.__version__.encode(), repr(stamps).encode(), state, *code):
            digest.update(hashlib.blake2b(part).digest())
        return digest.hexdigest()

    def _stamp(self, path: Path) -> tuple[str, int, int]:
        try:
            facts = path.stat()
        except OSError as error:
            raise UserError(f"the file {path} of the split {self.split} cannot be read: {error}") from error
        return str(path), facts.st_size, facts.st_mtime_ns

    def _map(self, path: Path, key: str) -> bool:
        """Map the pixels that the index ``path`` names, if they are whole and up to date."""
        try:
            self._pixels = open_pixels(path, key)
        except DamagedError:
            log.warning("data cache: %s is damaged, and written again", path)
        self._path = path
        return self._pixels is not None

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
        for folder in self.folders():
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
        """Write the files, unless another process did so meanwhile."""
        path = folder / self._name()
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")) as alone:
            if self._map(path, key):
                return
            if alone:
                _clear(path)
            if shutil.disk_usage(folder).free < expected:
                raise OSError("the disk is full")
            # As readable as what it was made from.
            mode = next(self._files()).stat().st_mode & 0o666 | 0o200
            size = write_pixels(path, key, self._samples(), self.budget, mode)
            if not self._map(path, key):
                raise OSError("what was written cannot be read again")
        log.info(
            "data cache: decoded the %d samples of %s once, into %s (%.0f MB); %s",
            *(len(self.ids), self.split, path, size / 1e6, SWITCH),
        )

    def _samples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        with ThreadPoolExecutor(min(8, available_cores())) as pool:
            for start in range(0, len(self.ids), 16):  # not all at once, or they would be held in memory
                yield from pool.map(self._decode, range(start, min(start + 16, len(self.ids))))

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
    return CachedDataset(cast(FileDataset, dataset), split, budget, folder)


def _dump(values: object) -> bytes:
    """Pickle by value: without memory of which equal parts are one object, so that a copy gives the same bytes."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=4)
    pickler.fast = True
    pickler.dump(values)
    return stream.getvalue()


def _clear(path: Path) -> None:
    """Delete what was written for an older key, and what a process that was killed left half written.

    A process that still reads such an array keeps it: the system deletes a mapped file when it is closed, or (Windows)
    refuses to.
    """
    for pattern in (f"{path.stem}-*.npy", f".{path.stem}*"):
        for file in path.parent.glob(pattern):
            with contextlib.suppress(OSError):
                file.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a lock, which ends with the process, however that ends; say whether there is one on this file system.

    Users who share the folder share the lock.
    """
    lock = filelock.FileLock(path, mode=0o666)
    # On a file system without locks each process writes files of its own, and the last rename wins.
    with contextlib.suppress(NotImplementedError):
        lock.acquire()
    try:
        yield lock.is_locked
    finally:
        lock.release()
