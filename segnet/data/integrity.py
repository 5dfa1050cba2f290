"""Finds what is wrong with a data set before a training starts."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from segnet.data.samples import SegmentationDataset
from segnet.errors import UserError
from segnet.randomness import numpy_stream

_Fact = TypeVar("_Fact")


class SplitFacts(NamedTuple):
    """What reading every sample of a split once tells.

    Attributes:
        pixels: ``(images, K)`` int64, the pixels of each class; ignored ones are left out.
        sizes: height and width of each image.
    """

    pixels: Tensor
    sizes: list[tuple[int, int]]


@runtime_checkable
class KnownDataset(SegmentationDataset, Protocol):
    """A split of which all samples were read once, by whoever packed it."""

    def known_facts(self, classes: Sequence[str], ignore_index: int, channels: int) -> SplitFacts | None:
        """Return what reading every sample would tell, or None where that was found under other settings."""
        ...


def check_samples(
    dataset: SegmentationDataset,
    classes: Sequence[str],
    ignore_index: int,
    channels: int | None = None,
    workers: int = 2,
) -> SplitFacts:
    """Read every sample once, check it, and count the pixels of each class.

    Args:
        dataset: one split.
        classes: names of the classes 0..K-1.
        ignore_index: label that is not scored.
        channels: what images should have; None takes any number.
        workers: threads that read.

    Raises:
        UserError: there is no sample, a file cannot be read, image and label differ in size, an image has other
            channels, or a label is neither a class nor the ignore index; the message names the file, the value and
            the mend.
    """

    def check(index: int) -> tuple[np.ndarray, tuple[int, int]]:
        image, label = dataset.load(index, numpy_stream("integrity", index))
        counts = check_sample(str(dataset.ids[index]), image, label, classes, ignore_index, channels)
        return counts, (image.shape[0], image.shape[1])

    pixels, sizes = zip(*_for_each(check, dataset, workers), strict=True)
    return SplitFacts(torch.from_numpy(np.stack(pixels).astype(np.int64)), list(sizes))


def check_sample(
    name: str,
    image: np.ndarray,
    label: np.ndarray,
    classes: Sequence[str],
    ignore_index: int,
    channels: int | None = None,
) -> np.ndarray:
    """Check a sample ``(H, W, C)``, ``(H, W)`` and return the pixels of each class, ``(K,)``, ignored ones left out.

    Raises:
        UserError: see :func:`check_samples`.
    """
    if image.shape[:2] != label.shape:
        raise UserError(f"image and label of {name} differ in size: {image.shape[:2]}, {label.shape}")
    if channels is not None and image.shape[2] != channels:
        raise UserError(other_channels(name, image.shape[2], channels))
    counts = count_values(label)
    strange = [value for value in np.flatnonzero(counts) if value >= len(classes) and value != ignore_index]
    if strange:
        raise UserError(
            f"the label of {name} holds the value {strange[0]} ({counts[strange[0]]} pixels), which "
            f"is neither a class (0..{len(classes) - 1}) nor the ignore index ({ignore_index}): mend the label, "
            f"add the class to data.classes, or set data.ignore_index={strange[0]}"
        )
    pixels: np.ndarray = counts[: len(classes)] * (np.arange(len(classes)) != ignore_index)
    return pixels


def other_channels(name: str, found: int, channels: int) -> str:
    """Return the sentence about an image with other channels than were set."""
    return (
        f"the data set reads {name} with {found} channels, and data.channels={channels} was set: set "
        f"data.channels={found}, and one value for each channel in data.mean and data.std"
    )


def count_values(label: np.ndarray, rows: int = 1024) -> np.ndarray:
    """Return the pixels of each value of a label ``(H, W)`` uint8, ``(256,)`` int64, few rows at a time."""
    counts = np.zeros(256, np.int64)
    for start in range(0, len(label), rows):
        counts += np.bincount(label[start : start + rows].ravel(), minlength=256)
    return counts


def image_sizes(dataset: SegmentationDataset, workers: int = 2) -> list[tuple[int, int]]:
    """Read every sample once, and return the height and width of its image.

    Raises:
        UserError: there is no sample, or a file cannot be read.
    """

    def size(index: int) -> tuple[int, int]:
        height, width = dataset.load(index, numpy_stream("integrity", index))[0].shape[:2]
        return height, width

    return _for_each(size, dataset, workers)


def _for_each(read: Callable[[int], _Fact], dataset: SegmentationDataset, workers: int) -> list[_Fact]:
    if not len(dataset.ids):
        raise UserError("a split of the data set holds no images: each of train, val and test needs one at least")
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(read, range(len(dataset.ids))))


def absent_classes(pixels: Tensor, classes: Sequence[str], ignore_index: int) -> list[str]:
    """Return the names of the classes that have no pixel in a training split; the ignored class is none of them.

    Args:
        pixels: ``(images, K)``, see :class:`SplitFacts`.
        classes: names of the classes 0..K-1.
        ignore_index: label that is not scored.

    Raises:
        UserError: fewer than two classes have pixels.
    """
    found = pixels.sum(0) > 0
    names = [name for name, there in zip(classes, found.tolist(), strict=True) if there]
    if len(names) < 2:
        raise UserError(
            f"the labels of the training split hold {f'one class only ({names[0]})' if names else 'no class'} beside "
            f"the ignore index: a network needs two to tell apart; is data.ignore_index={ignore_index} a class?"
        )
    return [name for index, name in enumerate(classes) if name not in names and index != ignore_index]
