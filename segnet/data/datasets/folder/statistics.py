"""Sizes, channels, mean and standard deviation of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segnet.data.images import read_image
from segnet.data.value_range import as_range

MOST_IMAGES = 500
"""Evenly spaced images suffice for a mean that normalises."""

MOST_VALUES = 100_000_000
"""Of an image with more, every second row and column suffices, or every third."""


@dataclass(frozen=True)
class ImageFacts:
    """What images have in common.

    Attributes:
        channels: 1 where all are grey, else 3.
        mean: of each channel, 0..1.
        std: of each channel.
        size: the median height and the median width.
    """

    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int]


def inspect_images(paths: Sequence[Path], value_range: Sequence[float] | None = None) -> ImageFacts:
    """Read at most 500 evenly spaced images.

    Args:
        paths: of the images.
        value_range: the values of black and white, see :func:`segnet.data.read_image`; None: by their type.

    Raises:
        segnet.errors.UserError: one cannot be read.
    """
    places = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), MOST_IMAGES)).round().astype(int))
    sums, squares, pixels, grey, sizes = np.zeros(3), np.zeros(3), 0, True, []
    for place in places:
        image = read_image(paths[place], 3, as_range(value_range))
        sizes.append(image.shape[:2])
        step = 1 + image.size // MOST_VALUES
        image = image[::step, ::step]
        grey = grey and bool((image[..., :1] == image).all())
        values = image.reshape(-1, 3).astype(np.float64) / 255
        sums += values.sum(0)
        squares += np.square(values).sum(0)
        pixels += len(values)
    mean = sums / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-6))
    channels = 1 if grey else 3
    height, width = np.median(np.array(sizes), axis=0).round().astype(int)
    return ImageFacts(
        channels,
        tuple(round(float(value), 4) for value in mean[:channels]),
        tuple(round(float(value), 4) for value in std[:channels]),
        (int(height), int(width)),
    )
