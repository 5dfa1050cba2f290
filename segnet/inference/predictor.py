"""What predicts images, whatever runs it: the part that is the same for a network of torch and for an exported file.

Nothing here needs torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segnet.data.facts import DataFacts
from segnet.data.image_size import MAX_PIXELS
from segnet.inference.budget import MemoryBudget
from segnet.inference.inputs import ImageInput, as_image, is_batch

if TYPE_CHECKING:
    from segnet.training.task import Prediction

LARGEST_BATCH = 8


class Predictor(ABC):
    """Predicts images.

    Attributes:
        facts: classes, colours, channels and scale.
        runner: how it is run: device, precision, memory.
    """

    facts: DataFacts
    runner: MemoryBudget

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        return self.facts.classes

    @property
    def colours(self) -> tuple[tuple[int, ...], ...]:
        """Colour of each class, RGB 0..255."""
        return self.facts.colours

    def predict(
        self,
        images: ImageInput | Sequence[ImageInput],
        probabilities: bool = True,
        max_pixels: int = MAX_PIXELS,
    ) -> Any:
        """Predict an image, or several.

        Args:
            images: a path, a Pillow image, an array ``(H, W, C)`` or a tensor ``(C, H, W)``, uint8 or floats in 0..1,
                or a list of these, or several as ``(N, H, W, C)`` or ``(N, C, H, W)``. Images may differ in size.
            probabilities: keep the probability of each class too; they take 4 bytes for each class and pixel.
            max_pixels: refuse a file with more pixels.

        Returns:
            For each image a :class:`segnet.tasks.segmentation.result.SegmentationResult` with ``mask``,
            ``probabilities``, ``classes``, ``overlay()`` and ``save()``, or for super-resolution a
            :class:`segnet.tasks.super_resolution.result.Enlargement` with ``enlarged`` and ``save()``; one where
            one image was given, a list where several were.

        Raises:
            UserError: what is given is no image, or not one that this network takes.
        """
        several = is_batch(images)
        inputs: Iterable[ImageInput] = images if several else [images]  # type: ignore[assignment,list-item]
        arrays = [as_image(image, self.facts.channels, max_pixels, self.facts.value_range) for image in inputs]
        results = [result for batch in self._batches(arrays) for result in self.predict_batch(batch, probabilities)]
        return results if several else results[0]

    @abstractmethod
    def predict_batch(self, images: Sequence[np.ndarray], probabilities: bool) -> "Sequence[Prediction]":
        """Predict images ``(H, W, C)`` of one size and type at once."""

    @abstractmethod
    def kinds(self, asked: Sequence[str] | None) -> Sequence[str]:
        """Return which kinds of files a prediction is written as, see :meth:`segnet.training.task.Task.kinds`."""

    @abstractmethod
    def files(self, name: str, kinds: Sequence[str]) -> Sequence[Path]:
        """Name the files of one image's prediction, see :meth:`segnet.training.task.Task.files`."""

    def batch_size(self, image: np.ndarray) -> int:
        """Return how many images like this one fit the memory at once."""
        height, width = (max(1, round(side * self.facts.scale)) for side in image.shape[:2])
        return self.runner.batch_size(height, width, LARGEST_BATCH)

    def _batches(self, images: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Join neighbours of one size and type, as many as the memory holds."""
        batch: list[np.ndarray] = []
        for image in images:
            if batch and (not is_alike(image, batch[0]) or len(batch) >= self.batch_size(image)):
                yield batch
                batch = []
            batch.append(image)
        if batch:
            yield batch


def is_alike(image: np.ndarray, other: np.ndarray) -> bool:
    """Say whether two images can share a batch."""
    return image.shape == other.shape and image.dtype == other.dtype
