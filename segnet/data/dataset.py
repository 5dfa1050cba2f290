"""What a data set gives: the contract, and the tensors made from it."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypedDict

import numpy as np
import torch
from torch import Tensor

from segnet.randomness import numpy_stream


class SegmentationDataset(Protocol):
    """One split of a data set.

    Attributes:
        ids: a name for each sample, as it appears in messages.
    """

    ids: Sequence[str]

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return image ``(H, W, C)`` uint8 and label ``(H, W)`` uint8.

        ``random`` is the sample's own stream: fresh for each training epoch, fixed for validation and test. A data
        set that is not random by nature leaves it alone.
        """
        ...


class Sample(TypedDict):
    """One sample, or a batch of them with a further first axis.

    Attributes:
        image: ``(C, H, W)`` uint8, 0..255.
        label: ``(H, W)`` uint8; in evaluation at the labels' own resolution.
        index: place of the sample in its split.
    """

    image: Tensor
    label: Tensor
    index: int


def to_tensors(image: np.ndarray, label: np.ndarray) -> tuple[Tensor, Tensor]:
    """Turn ``(H, W, C)`` and ``(H, W)`` uint8 arrays into ``(C, H, W)`` and ``(H, W)`` uint8 tensors."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), torch.from_numpy(label)


def shrink(image: Tensor, scale: float) -> Tensor:
    """Resize an image ``(C, H, W)`` uint8 by ``scale``, antialiased."""
    if scale == 1:
        return image
    from torchvision.transforms.v2 import functional as transform

    size = [max(1, round(side * scale)) for side in image.shape[-2:]]
    return transform.resize(image, size, antialias=True)


class TrainingSamples(torch.utils.data.Dataset):
    """Augmented training samples, found by ``(epoch, index)``: the augmentation depends on these and the seed alone.

    Args:
        dataset: the training split.
        augmentation: called with image, label and the sample's stream; see :class:`segnet.data.Augmentation`.
        scale: images and labels are resized by this factor first.
        seed: the run's seed.
    """

    def __init__(
        self, dataset: SegmentationDataset, augmentation: Callable[..., tuple[Tensor, Tensor]], scale: float, seed: int
    ) -> None:
        self.dataset, self.augmentation, self.scale, self.seed = dataset, augmentation, scale, seed

    def __len__(self) -> int:
        return len(self.dataset.ids)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        random = numpy_stream(self.seed, "sample", epoch, index)
        image, label = to_tensors(*self.dataset.load(index, random))
        image, label = self.augmentation(image, label, random, self.scale)
        return {"image": image, "label": label, "index": index}


class EvaluationSamples(torch.utils.data.Dataset):
    """Samples as they are, the image resized by ``scale``, the label at its own resolution."""

    def __init__(self, dataset: SegmentationDataset, scale: float) -> None:
        self.dataset, self.scale = dataset, scale

    def __len__(self) -> int:
        return len(self.dataset.ids)

    def __getitem__(self, index: int) -> Sample:
        # The stream is keyed by the sample and not by the run, so that every run is scored on the same pixels.
        image, label = to_tensors(*self.dataset.load(index, numpy_stream("evaluation", self.dataset.ids[index])))
        return {"image": shrink(image, self.scale), "label": label, "index": index}
