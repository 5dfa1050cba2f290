"""Finds what is wrong with a data set before a training starts."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from segnet.data.samples import SegmentationDataset
from segnet.errors import UserError
from segnet.randomness import numpy_stream


def count_pixels(dataset: SegmentationDataset, classes: Sequence[str], ignore_index: int, workers: int = 2) -> Tensor:
    """Read every sample once, check it, and count the pixels of each class.

    Args:
        dataset: one split.
        classes: names of the classes 0..K-1.
        ignore_index: label that is not scored.
        workers: threads that read.

    Returns:
        ``(images, K)`` int64.

    Raises:
        UserError: a file cannot be read, image and label differ in size, or a label is neither a class nor the
            ignore index; the message names the file, the value and the mend.
    """

    def check(index: int) -> np.ndarray:
        image, label = dataset.load(index, numpy_stream("integrity", index))
        if image.shape[:2] != label.shape:
            raise UserError(f"image and label of {dataset.ids[index]} differ in size: {image.shape[:2]}, {label.shape}")
        counts = np.bincount(label.ravel(), minlength=256)
        strange = [value for value in np.flatnonzero(counts) if value >= len(classes) and value != ignore_index]
        if strange:
            raise UserError(
                f"the label of {dataset.ids[index]} holds the value {strange[0]} ({counts[strange[0]]} pixels), which "
                f"is neither a class (0..{len(classes) - 1}) nor the ignore index ({ignore_index}): mend the label, "
                f"add the class to data.classes, or set data.ignore_index={strange[0]}"
            )
        return counts[: len(classes)] * (np.arange(len(classes)) != ignore_index)

    with ThreadPoolExecutor(workers) as pool:
        return torch.from_numpy(np.stack(list(pool.map(check, range(len(dataset.ids))))).astype(np.int64))
