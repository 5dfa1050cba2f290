"""Reads samples of a split once, and measures images and labels."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from segnet.data import SegmentationDataset, sample_groups
from segnet.data.samples import evaluation_stream
from segnet.errors import UserError
from segnet.metrics.boundary import boundary_pixels
from segnet.metrics.small_objects import SMALL_AREA

_NEIGHBOURS = np.ones((3, 3), dtype=int)
Track = Callable[[Iterable["Sample"], int], Iterable["Sample"]]


@dataclass(frozen=True)
class Sample:
    """What one sample tells.

    Attributes:
        size: height and width.
        pixels: ``(K,)`` int64, the scored pixels of each class.
        boundary: ``(K,)`` int64, those that have another class above, below, left or right of them.
        components: for each class the areas of its connected components (8 neighbours), pixels.
        ignored: pixels that are not scored.
        sums: ``(2, C)``, of the image's values 0..1 and of their squares, over its pixels.
    """

    size: tuple[int, int]
    pixels: np.ndarray
    boundary: np.ndarray
    components: list[np.ndarray]
    ignored: int
    sums: np.ndarray


@dataclass
class Split:
    """What the samples of a split tell together.

    Attributes:
        name: "train", "val" or "test".
        total: number of its samples.
        groups: number of groups that they belong to.
        samples: of those that were read, evenly spaced over the split.
    """

    name: str
    total: int
    groups: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def pixel_counts(self) -> np.ndarray:
        """Scored pixels of each class in each image read, ``(n, K)``."""
        return np.array([sample.pixels for sample in self.samples])

    @property
    def boundary(self) -> np.ndarray:
        """Boundary pixels of each class, ``(K,)``."""
        boundary: np.ndarray = np.sum([sample.boundary for sample in self.samples], axis=0)
        return boundary

    @property
    def ignored(self) -> float:
        """Share of the pixels that are not scored."""
        ignored = sum(sample.ignored for sample in self.samples)
        return ignored / max(1, ignored + int(self.pixel_counts.sum()))

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of each image read, ``(n, 2)``."""
        return np.array([sample.size for sample in self.samples])

    def components(self, index: int) -> np.ndarray:
        """Areas of the connected components of a class, as shares of their image."""
        return np.concatenate(
            [sample.components[index] / (sample.size[0] * sample.size[1]) for sample in self.samples] or [np.zeros(0)]
        )

    def colours(self) -> "ColourFacts":
        """Return mean and standard deviation of each channel, over all pixels."""
        sums = np.sum([sample.sums for sample in self.samples], axis=0)
        pixels = sum(height * width for height, width in self.sizes.tolist())
        mean = sums[0] / pixels
        return ColourFacts(mean.tolist(), np.sqrt(np.maximum(sums[1] / pixels - mean**2, 0)).tolist())


class ColourFacts(NamedTuple):
    """Mean and standard deviation of each channel, 0..1."""

    mean: list[float]
    std: list[float]


class ClassSizes(NamedTuple):
    """The connected components of a class.

    Attributes:
        per_image: number in an image that has the class.
        low, median, high: 10th, 50th and 90th percentile of their areas, as shares of the image.
        small: share of them that are small, at most 1/300 of the image.
    """

    per_image: float
    low: float
    median: float
    high: float
    small: float


def evenly(total: int, most: int | None) -> list[int]:
    """Return the places of at most so many samples, evenly spaced over ``total``; None: of all."""
    number = total if most is None else min(total, most)
    return [place * total // number for place in range(number)]


def measure_split(
    name: str,
    dataset: SegmentationDataset,
    num_classes: int,
    ignore_index: int,
    most: int | None,
    threads: int,
    track: Track,
) -> Split:
    """Read the samples of a split once, at most so many.

    Raises:
        UserError: one cannot be read, or its label is no class; ``segnet-data verify`` finds all such samples.
    """

    def read(place: int) -> Sample:
        image, label = dataset.load(place, evaluation_stream(dataset.ids[place]))
        return measure_sample(image, label, num_classes, ignore_index, dataset.ids[place])

    places = evenly(len(dataset.ids), most)
    split = Split(name, len(dataset.ids), len(set(sample_groups(dataset))))
    with ThreadPoolExecutor(threads) as pool:
        split.samples.extend(track(pool.map(read, places), len(places)))
    return split


def measure_sample(image: np.ndarray, label: np.ndarray, num_classes: int, ignore_index: int, name: str) -> Sample:
    """Measure an image ``(H, W, C)`` and its label ``(H, W)``, both uint8.

    Raises:
        UserError: a label is neither a class nor the ignore index.
    """
    scored = label != ignore_index
    strange = scored & (label >= num_classes)
    if strange.any():
        raise UserError(
            f"the label of {name} holds {int(label[strange][0])}, which is no class: segnet-data verify finds all such"
        )
    edges = boundary_pixels(torch.from_numpy(label.astype(np.int64))[None], torch.from_numpy(scored)[None])[0].numpy()
    values = image.reshape(-1, image.shape[-1]).astype(np.float64) / 255
    return Sample(
        (label.shape[0], label.shape[1]),
        np.bincount(label[scored], minlength=num_classes),
        np.bincount(label[edges], minlength=num_classes),
        _components(label, scored, num_classes),
        int((~scored).sum()),
        np.stack([values.sum(0), np.square(values).sum(0)]),
    )


def _components(label: np.ndarray, scored: np.ndarray, num_classes: int) -> list[np.ndarray]:
    shifted = np.where(scored, label.astype(np.int64) + 1, 0)
    areas = []
    for index, box in enumerate(ndimage.find_objects(shifted, num_classes)):
        if box is None:
            areas.append(np.zeros(0, dtype=np.int64))
            continue
        components, _ = ndimage.label(shifted[box] == index + 1, _NEIGHBOURS)
        areas.append(np.bincount(components.ravel())[1:])
    return areas


def class_sizes(split: Split, index: int) -> ClassSizes | None:
    """Summarise the components of a class; None where it has none."""
    areas = split.components(index)
    if not len(areas):
        return None
    images = sum(len(sample.components[index]) > 0 for sample in split.samples)
    low, median, high = np.quantile(areas, [0.1, 0.5, 0.9]).tolist()
    return ClassSizes(len(areas) / images, low, median, high, float((areas <= SMALL_AREA).mean()))


def class_shares(split: Split) -> np.ndarray:
    """Return the share of each class among the scored pixels, ``(K,)``."""
    totals = split.pixel_counts.sum(0)
    shares: np.ndarray = totals / max(1, int(totals.sum()))
    return shares


def absent(split: Split, classes: Sequence[str], ignore_index: int) -> list[str]:
    """Return the classes of which the samples read have no pixel."""
    totals = split.pixel_counts.sum(0)
    return [name for place, name in enumerate(classes) if totals[place] == 0 and place != ignore_index]
