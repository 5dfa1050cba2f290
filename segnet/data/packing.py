"""Writes a data set as chunks of samples, for :class:`segnet.data.datasets.packed.Packed`."""

import io
import json
import logging
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import numpy as np

from segnet.data.chunks import open_cache, require_litdata
from segnet.data.fetching import checksum
from segnet.data.integrity import check_sample
from segnet.data.module import SPLITS, DataModule
from segnet.data.packed_facts import ARRAYS, FACTS, INDEX, LAYOUT, NAMES
from segnet.data.sample_bytes import encode_sample
from segnet.data.samples import SegmentationDataset, evaluation_stream, sample_groups
from segnet.errors import UserError
from segnet.randomness import numpy_stream

log = logging.getLogger(__name__)

AHEAD = 16
"""Samples that are held in memory while they are encoded."""
Progress = Callable[[Iterable["Encoded"], int], Iterable["Encoded"]]


class Encoded(NamedTuple):
    """A sample that was read, checked and encoded.

    Attributes:
        item: its bytes, see :mod:`segnet.data.sample_bytes`.
        size: height and width.
        pixels: of each class, ``(K,)``.
    """

    item: bytes
    size: tuple[int, int]
    pixels: np.ndarray


class _Way(NamedTuple):
    """How samples are packed, see :func:`pack`."""

    chunk_bytes: int
    threads: int
    progress: Progress | None
    plain: bool


def pack(
    data: DataModule,
    about: Mapping[str, Any],
    output: Path,
    chunk_bytes: int,
    threads: int = 2,
    progress: Progress | None = None,
    plain: bool = False,
) -> dict[str, Any]:
    """Pack all splits of a data set into a folder, which appears whole or not at all.

    Every sample is checked on the way as a training does. What an earlier call left half written is deleted first.

    Args:
        data: the data set.
        about: ``name``, ``mean``, ``std``, ``value_range`` and ``recipe``, see
            :func:`segnet.data.packed_facts.read_facts`.
        output: the folder; it must not exist.
        chunk_bytes: most bytes of a chunk; a sample that is larger has one of its own.
        threads: that read and encode.
        progress: passes the samples of a split on and shows how many there were; None: nothing is shown.
        plain: see :func:`segnet.data.sample_bytes.encode_sample`.

    Returns:
        The content of ``packed.json``.

    Raises:
        UserError: ``output`` exists or cannot be written, a sample is wrong, or litdata is not installed.
    """
    require_litdata()
    output = output.absolute()
    part = output.with_name(f".{output.name}.packing")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(part.with_suffix(".lock"), blocking=False):
            try:
                if output.exists() or output.is_symlink():
                    raise UserError(f"output={output} exists already: name another folder, or delete this one")
                shutil.rmtree(part, ignore_errors=True)
                facts = _write(data, about, part, _Way(chunk_bytes, threads, progress, plain))
                part.rename(output)
            finally:
                shutil.rmtree(part, ignore_errors=True)
                part.with_suffix(".lock").unlink(missing_ok=True)
    except filelock.Timeout as error:
        raise UserError(f"another process packs into {output}: wait for it, or name another output") from error
    except OSError as error:
        raise UserError(
            f"output={output} could not be written ({error.strerror or error}): make room, or name another folder"
        ) from error
    return facts


def _write(data: DataModule, about: Mapping[str, Any], part: Path, way: _Way) -> dict[str, Any]:
    splits = {}
    for split in SPLITS:
        dataset = data.source(split)
        if not len(dataset.ids):
            raise UserError(f"the split {split} holds no images: each of train, val and test needs one at least")
        _warn_of_draws(dataset, split)
        splits[split] = _write_split(data, dataset, part / split, way)
    facts = {
        "layout": LAYOUT,
        **about,
        "classes": dict(zip(data.classes, map(list, data.colours), strict=True)),
        "ignore_index": data.ignore_index,
        "channels": data.channels,
        "splits": splits,
    }
    (part / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    for path in part.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())  # before the folder gets its name
    return facts


def _write_split(data: DataModule, dataset: SegmentationDataset, folder: Path, way: _Way) -> dict[str, Any]:
    folder.mkdir(parents=True)
    sizes, pixels, checksums = [], [], []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "An item was larger than the target chunk size")  # it is a chunk of its own
        cache, samples = open_cache(folder, way.chunk_bytes), _encoded(data, dataset, way)
        if way.progress is not None:
            samples = way.progress(samples, len(dataset.ids))
        for number, sample in enumerate(samples):
            cache[number] = sample.item
            sizes.append(sample.size)
            pixels.append(sample.pixels)
            checksums.append(zlib.crc32(sample.item))
        cache.done()
        cache.merge()
    groups = sample_groups(dataset)
    alone = groups == list(dataset.ids)
    names = {"ids": list(map(str, dataset.ids)), "groups": None if alone else list(map(str, groups))}
    (folder / NAMES).write_text(json.dumps(names) + "\n", encoding="utf-8")
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        sizes=np.array(sizes, np.int32),
        pixels=np.array(pixels, np.int64).astype(np.int32),
        checksums=np.array(checksums, np.uint32),
    )
    (folder / ARRAYS).write_bytes(stream.getvalue())
    return {
        "samples": len(sizes),
        "chunks": len(list(folder.glob("*.bin"))),
        "bytes": sum(path.stat().st_size for path in folder.glob("*.bin")),
        "checksums": {name: checksum((folder / name).read_bytes()) for name in (INDEX, NAMES, ARRAYS)},
    }


def _encoded(data: DataModule, dataset: SegmentationDataset, way: _Way) -> Iterable[Encoded]:
    """Read, check and encode the samples in their order, a few at a time."""
    files = getattr(dataset, "files", None)

    def encode(index: int) -> Encoded:
        name = str(dataset.ids[index])
        image, label = dataset.load(index, evaluation_stream(name))
        pixels = check_sample(name, image, label, data.classes, data.ignore_index, data.channels)
        file = None if files is None else Path(files(index)[0])
        return Encoded(encode_sample(image, label, file, way.plain), (image.shape[0], image.shape[1]), pixels)

    with ThreadPoolExecutor(way.threads) as pool:
        for start in range(0, len(dataset.ids), AHEAD):
            yield from pool.map(encode, range(start, min(start + AHEAD, len(dataset.ids))))


def _warn_of_draws(dataset: SegmentationDataset, split: str) -> None:
    """Say where a set draws its images anew in each epoch."""
    if split != "train" or hasattr(dataset, "files"):
        return
    first, second = (dataset.load(0, numpy_stream("packing", draw))[0] for draw in range(2))
    if not np.array_equal(first, second):
        log.warning("this data set draws its training images anew in each epoch; packed, each is drawn once for ever")
