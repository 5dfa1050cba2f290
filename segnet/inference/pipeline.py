"""Predicting many files: reading and writing in threads, batches of equal sizes, and no stop at a broken file."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from segnet.data.image_size import MAX_PIXELS
from segnet.data.images import read_image
from segnet.errors import UserError
from segnet.inference.files import prepare_folder, refuse_overwriting
from segnet.inference.georeference import georeference_of, write_georeference
from segnet.inference.predictor import Predictor, is_alike

if TYPE_CHECKING:  # an exported network predicts without torch
    from segnet.training.task import Prediction

READ_AHEAD = 8
"""Images that are read while others are predicted, and results that wait to be written."""
READ_AHEAD_PIXELS = 2**26


class Outcome(NamedTuple):
    """What became of one file.

    Attributes:
        path: of the image.
        error: why it could not be read; None where its results are written.
        is_skipped: whether its results were there already.
    """

    path: Path
    error: str | None = None
    is_skipped: bool = False


class Read(NamedTuple):
    """An image that is waiting to be predicted."""

    path: Path
    pixels: np.ndarray


def predict_files(
    model: Predictor,
    names: Mapping[Path, str],
    output: Path,
    write: Sequence[str] | None = None,
    opacity: float = 0.5,
    max_pixels: int = MAX_PIXELS,
    skip_existing: bool = False,
) -> Iterator[Outcome]:
    """Predict files and write their results.

    Args:
        model: what predicts.
        names: of the results by the image's path, see :func:`segnet.inference.files.find_images`.
        output: the folder that they go into.
        write: kinds of files, see :meth:`segnet.training.task.Task.kinds`; None: the task's own.
        opacity: of what is laid over an image, 0..1.
        max_pixels: refuse a file with more pixels.
        skip_existing: leave out images whose files are all there.

    Yields:
        What became of each file, as it is finished. A file that cannot be read does not stop the others.

    Raises:
        UserError: a result would replace an image of the input, ``write`` names no kind, or the folder cannot be
            written.
    """
    kinds = model.kinds(write)
    files = {path: [output / file for file in model.files(name, kinds)] for path, name in names.items()}
    refuse_overwriting(names, (file for results in files.values() for file in results))
    prepare_folder(output)
    wanted = []
    for path, results in files.items():
        if skip_existing and all(file.is_file() for file in results):
            yield Outcome(path, is_skipped=True)
        else:
            wanted.append(path)
    workers = min(8, max(2, os.cpu_count() or 1))
    with ThreadPoolExecutor(workers) as readers, ThreadPoolExecutor(workers) as writers:
        reading = (
            (path, readers.submit(read_image, path, model.facts.channels, model.facts.value_range, max_pixels))
            for path in wanted
        )
        writing: list[Future[Path]] = []

        def write_result(path: Path, result: "Prediction") -> Path:
            try:
                result.write(output, names[path], kinds, opacity)
                georeference = None if model.runner.factor != 1 else georeference_of(path)
                if georeference is not None:
                    for file in files[path]:
                        if file.suffix == ".png":
                            write_georeference(file, georeference)
            except OSError as error:
                raise UserError(f"cannot write the results of {path}: {error}") from error
            return path

        for ready in _batches(model, _in_order(reading)):
            if isinstance(ready, Outcome):
                yield ready
                continue
            paths, pixels = [item.path for item in ready], [item.pixels for item in ready]
            del ready
            predictions = model.predict_batch(pixels, "probabilities" in kinds)
            del pixels
            writing += [writers.submit(write_result, *pair) for pair in zip(paths, predictions, strict=True)]
            del predictions
            while len(writing) > READ_AHEAD or (writing and writing[0].done()):
                yield Outcome(writing.pop(0).result())
        for future in writing:
            yield Outcome(future.result())


def _in_order(reading: Iterator[tuple[Path, Future[np.ndarray]]]) -> Iterator[Read | Outcome]:
    """Yield what is read, a few files ahead of it being read already; after a large one, none."""
    waiting = list(islice(reading, READ_AHEAD))
    while waiting:
        path, future = waiting.pop(0)
        try:
            pixels = future.result()
        except UserError as error:
            yield Outcome(path, str(error))
            pixels = None
        del future
        if pixels is not None:
            size = pixels.size
            item = Read(path, pixels)
            del pixels
            yield item
            del item
            ahead = 1 if size > READ_AHEAD_PIXELS else READ_AHEAD
        else:
            ahead = READ_AHEAD
        waiting += islice(reading, max(0, ahead - len(waiting)))


def _batches(model: Predictor, items: Iterator[Read | Outcome]) -> Iterator[list[Read] | Outcome]:
    """Join images of one size, whatever stands between them; a size waits no longer than for a few others."""
    groups: dict[tuple[int, ...], list[Read]] = {}
    for item in items:
        if isinstance(item, Outcome):
            yield item
            continue
        group = groups.setdefault(item.pixels.shape, [])
        assert not group or is_alike(item.pixels, group[0].pixels)
        group.append(item)
        shape = item.pixels.shape
        del item
        if len(group) >= model.batch_size(group[0].pixels):
            yield groups.pop(shape)
        elif sum(map(len, groups.values())) > 2 * READ_AHEAD:
            yield groups.pop(max(groups, key=lambda shape: len(groups[shape])))
        del group
    yield from groups.values()
