"""A trained network with all that its use needs."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from segnet.build import facts_from_config, load_network, task_from_config
from segnet.config import load_config
from segnet.data.facts import DataFacts
from segnet.data.images import MAX_PIXELS
from segnet.devices import choose_device
from segnet.inference.inputs import ImageInput, as_image, is_batch
from segnet.inference.runner import Runner
from segnet.training.task import Prediction, Task
from segnet.trusted_classes import allow_code as code_allowed

LARGEST_BATCH = 8


class Model:
    """A trained network, its task, and what it knows of its data.

    Attributes:
        network: the bare network, in evaluation mode; it takes images ``(N, C, H, W)``, floats in 0..1.
        task: what it was trained for.
        facts: classes, colours, channels and scale.
        runner: how it is run: device, precision, memory.
    """

    def __init__(self, network: nn.Module, task: Task, facts: DataFacts, runner: Runner) -> None:
        self.network, self.task, self.facts, self.runner = network, task, facts, runner

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
            :class:`segnet.tasks.super_resolution.prediction.Enlargement` with ``enlarged`` and ``save()``; one where
            one image was given, a list where several were.

        Raises:
            UserError: what is given is no image, or not one that this network takes.
        """
        several = is_batch(images)
        inputs: Iterable[ImageInput] = images if several else [images]  # type: ignore[assignment,list-item]
        arrays = [as_image(image, self.facts.channels, max_pixels) for image in inputs]
        results = [result for batch in self._batches(arrays) for result in self.predict_batch(batch, probabilities)]
        return results if several else results[0]

    def predict_batch(self, images: Sequence[np.ndarray], probabilities: bool) -> Sequence[Prediction]:
        """Predict images ``(H, W, C)`` of one size and type at once."""
        return self.task.predict(self.runner, self.facts, images, probabilities)

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


def load(
    run: str | Path,
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    memory_gib: float = 0.5,
    flips: str = "none",
    allow_code: bool = False,
    scales: Sequence[float] = (1.0,),
) -> Model:
    """Load a trained network from a run folder. The data set's files and code are not needed.

    Args:
        run: what ``segnet-train`` wrote.
        checkpoint: "best" (by the task's validation score) or "last".
        device: "auto" (a GPU where there is one), "cpu", "cuda", "mps".
        precision: "auto" (the fastest that the device has), "32-true", "bf16-mixed" or "16-mixed".
        memory_gib: about how much memory the network's features may take; a larger image is predicted in tiles.
        flips: average over mirror images: "none", "horizontal" or "both".
        allow_code: whether the run may name classes that are no part of segnet; for runs that you trust.
        scales: average over the image resized by these factors, such as (0.75, 1, 1.5).

    Raises:
        UserError: the folder is not a run, has no such checkpoint, is damaged, names other classes, or a setting has no
            such value.
    """
    with code_allowed(allow_code):
        config = load_config(run)
    network = load_network(run, checkpoint, allow_code).to(choose_device(device))
    facts = facts_from_config(config)
    runner = Runner(network, facts.channels, precision, memory_gib, flips, scales)
    return Model(network, task_from_config(config), facts, runner)
