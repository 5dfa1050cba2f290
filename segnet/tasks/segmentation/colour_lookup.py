"""The least that a network must beat: each pixel's class looked up from its own colour."""

import numpy as np
import torch
from torch import Tensor

from segnet.data.samples import SegmentationDataset, evaluation_stream
from segnet.metrics import confusion_matrix
from segnet.randomness import numpy_stream


class ColourLookup:
    """A table from colour to the class that has it most often in training images.

    Args:
        num_classes: number of classes K.
        ignore_index: label that does not count.
        channels: image channels; one channel keeps its 256 values, three keep 32 each.
    """

    def __init__(self, num_classes: int, ignore_index: int, channels: int) -> None:
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self.levels = 256 if channels == 1 else 32
        self.counts = np.zeros((self.levels**channels, num_classes), np.int64)

    def _bins(self, image: np.ndarray) -> np.ndarray:
        """Take an image ``(H, W, C)`` uint8 to bins ``(H, W)``."""
        quantised = image.astype(np.int64) * self.levels // 256
        bins: np.ndarray = np.ravel_multi_index(tuple(np.moveaxis(quantised, -1, 0)), (self.levels,) * image.shape[-1])
        return bins

    def fit(self, dataset: SegmentationDataset, images: int = 128) -> None:
        """Count colours and classes in at most ``images`` evenly spaced images."""
        chosen = np.unique(np.linspace(0, len(dataset.ids) - 1, images).round().astype(int))
        for index in chosen:
            image, label = dataset.load(int(index), numpy_stream("lookup", int(index)))
            scored = label != self.ignore_index
            pairs = self._bins(image)[scored] * self.num_classes + label[scored]
            self.counts += np.bincount(pairs, minlength=self.counts.size).reshape(self.counts.shape)

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Take an image ``(H, W, C)`` uint8 to classes ``(H, W)``; a colour never seen gets the commonest class."""
        table = np.where(self.counts.any(1), self.counts.argmax(1), self.counts.sum(0).argmax())
        classes: np.ndarray = table[self._bins(image)]
        return classes

    def evaluate(self, dataset: SegmentationDataset) -> Tensor:
        """Return the confusion matrix ``(K, K)`` int64 over a validation or test split."""
        confusion = torch.zeros(self.num_classes, self.num_classes, dtype=torch.int64)
        for index, name in enumerate(dataset.ids):
            image, label = dataset.load(index, evaluation_stream(name))
            prediction = torch.from_numpy(self.predict(image))
            confusion += confusion_matrix(
                prediction, torch.from_numpy(np.array(label)), self.num_classes, self.ignore_index
            )
        return confusion
