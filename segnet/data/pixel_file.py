"""The pixels of many samples in one memory-mapped array of bytes, beside an index in JSON."""

import hashlib
import json
import os
import tempfile
import tokenize
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np


class DamagedError(Exception):
    """A pixel file is not what was written."""


class Place(NamedTuple):
    """Where a sample lies in the array: image ``(C, H, W)``, then label ``(H, W)``, both uint8."""

    offset: int
    image: list[int]
    label: list[int]
    checksum: int

    @property
    def nbytes(self) -> int:
        """Bytes of image and label."""
        return int(np.prod(self.image) + np.prod(self.label))


class PixelFile:
    """Samples that lie in a pixel file, each checked against its checksum when it is first read.

    Args:
        array: all bytes, ``(B,)`` uint8, mapped read-only.
        places: where each sample lies.
    """

    def __init__(self, array: np.ndarray, places: list[Place]) -> None:
        self.array, self.places = array, places
        self._sound: set[int] = set()

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return image ``(C, H, W)`` and label ``(H, W)`` uint8, read-only views of the file.

        Raises:
            DamagedError: the bytes are not those that were written.
        """
        place = self.places[index]
        pixels = self.array[place.offset : place.offset + place.nbytes]
        if index not in self._sound:
            if zlib.crc32(pixels.data) != place.checksum:
                raise DamagedError
            self._sound.add(index)
        split = int(np.prod(place.image))
        return pixels[:split].reshape(place.image), pixels[split:].reshape(place.label)


def open_pixels(path: Path, key: str) -> PixelFile | None:
    """Map the array that an index names, if it was written for ``key``.

    Args:
        path: the index, ``NAME.json``; the array ``NAME-....npy`` lies beside it.
        key: what the samples were made from.

    Returns:
        None where there is no such file, or where it was written for another key.

    Raises:
        DamagedError: index or array are not what was written, as far as can be told without reading all pixels.
    """
    try:
        text = path.read_bytes()
    except OSError:
        return None
    try:
        content = json.loads(text)
        index = content["index"]
        if content["digest"] != _digest(index):
            raise DamagedError
        if index["key"] != key:
            return None
        # As a plain array: each slice of a numpy.memmap costs a call in Python.
        array = np.asarray(np.lib.format.open_memmap(path.with_name(index["array"]), mode="r"))
    except (OSError, ValueError, TypeError, KeyError, SyntaxError, OverflowError, tokenize.TokenError) as error:
        raise DamagedError from error
    places = [Place(*values) for values in index["samples"]]
    if array.dtype != np.uint8 or array.shape != (sum(place.nbytes for place in places),):
        raise DamagedError
    return PixelFile(array, places)


def write_pixels(path: Path, key: str, samples: Iterable[tuple[np.ndarray, np.ndarray]], budget: int, mode: int) -> int:
    """Write array and index, each whole or not at all; the index last, so that it never names what is not there.

    The array is written as a stream and not through a mapping, because a disk that is full ends a process that
    writes to a mapping (SIGBUS) and raises an error for one that writes to a file.

    Args:
        path: of the index, ``NAME.json``.
        key: what the samples are made from; it is part of the array's name, so that a process that still reads
            another array keeps it.
        samples: image ``(C, H, W)`` and label ``(H, W)``, uint8.
        budget: most bytes.
        mode: permissions of both files.

    Returns:
        Bytes of the array.

    Raises:
        OSError: the files cannot be written, or the samples take more than the budget.
    """
    array, places = path.with_name(f"{path.stem}-{key[:12]}.npy"), []

    def write_array(file: IO[bytes]) -> None:
        _write_header(file, 0)
        start = file.tell()
        for image, label in samples:
            pixels = image.tobytes() + label.tobytes()
            place = Place(file.tell() - start, list(image.shape), list(label.shape), zlib.crc32(pixels))
            if place.offset + place.nbytes > budget:
                raise OSError("more than data.cache_budget_gib")
            places.append(place)
            file.write(pixels)
        size = file.tell() - start
        file.seek(0)
        _write_header(file, size)  # numpy leaves room for a larger first axis

    _write_whole(array, write_array, mode)
    index = {"key": key, "array": array.name, "samples": places}
    text = json.dumps({"digest": _digest(index), "index": index})
    _write_whole(path, lambda file: file.write(text.encode()), mode)
    return sum(place.nbytes for place in places)


def _write_header(file: IO[bytes], size: int) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (size,)}
    np.lib.format.write_array_header_1_0(file, header)


def _digest(index: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(index).encode(), digest_size=16).hexdigest()


def _write_whole(path: Path, write: Callable[[IO[bytes]], Any], mode: int) -> None:
    """Write beside the place, then rename."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}.", delete=False) as file:
        try:
            write(file)
            file.close()
            os.chmod(file.name, mode)  # a temporary file is its owner's alone
            os.replace(file.name, path)
        except BaseException:
            file.close()
            os.unlink(file.name)
            raise
