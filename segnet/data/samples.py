"""What a data set gives: the contract, and the tensors made from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from segnet.randomness import numpy_stream


class SegmentationDataset(Protocol):
    """One split of a data set.

    A data set whose samples belong together also has ``groups``: for each sample the name of its sequence, patient or
    scene, see :func:`sample_groups`. Within a group, samples stand in their order in time or space.

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


class FileDataset(SegmentationDataset, Protocol):
    """A split that is made from files, and so can be decoded once for all epochs and runs.

    What ``load`` returns depends on the content of these files, the data set's attributes and its code alone, and
    not on ``random``. The attributes can be pickled.
    """

    def files(self, index: int) -> Sequence[Path]:
        """Return the files that a sample is made from."""
        ...


class Sample(TypedDict):
    """One sample.

    Attributes:
        image: ``(C, H, W)`` uint8, 0..255.
        label: ``(H, W)`` uint8; in evaluation at the labels' own resolution.
        index: place of the sample in its split.
    """

    image: Tensor
    label: Tensor
    index: int


def sample_groups(dataset: SegmentationDataset) -> list[str]:
    """Return the name of the group of each sample; samples of one group are not independent evidence.

    A data set that has no ``groups`` says that each sample stands alone: each is a group of its own.
    """
    return list(getattr(dataset, "groups", dataset.ids))


def evaluation_stream(sample_id: str) -> np.random.Generator:
    """Return the stream with which a sample of validation or test is loaded, the same in every run and command.

    It is keyed by the sample and not by the run, so that every network and baseline is scored on the same pixels.

    Args:
        sample_id: the sample's name, of :attr:`SegmentationDataset.ids`.
    """
    return numpy_stream("evaluation", sample_id)


class FirstSamples:
    """The first samples of a split, the same pixels at each time: for a network that shall learn them by heart.

    Args:
        dataset: the split.
        count: how many of its samples; all, if there are no more.
    """

    def __init__(self, dataset: SegmentationDataset, count: int) -> None:
        self.dataset = dataset
        self.ids: Sequence[str] = list(dataset.ids[:count])
        self.groups = sample_groups(dataset)[:count]

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return a sample as evaluation would load it, see :class:`SegmentationDataset`."""
        return self.dataset.load(index, evaluation_stream(self.ids[index]))


class Batch(TypedDict):
    """Samples put together.

    Attributes:
        image: ``(N, C, H, W)`` uint8, 0..255.
        label: ``(N, H, W)`` uint8; in evaluation at the labels' own resolution.
        index: ``(N,)`` int64, place of each sample in its split.
    """

    image: Tensor
    label: Tensor
    index: Tensor


def planes(image: np.ndarray) -> np.ndarray:
    """See an image ``(H, W, C)`` as ``(C, H, W)``."""
    return image.transpose(2, 0, 1)


def stack_images(images: Sequence[np.ndarray]) -> Tensor:
    """See images ``(H, W, C)`` of one size as ``(N, C, H, W)``; one alone is not copied."""
    stacked = images[0][None] if len(images) == 1 else np.stack(images)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2)


def as_float(images: Tensor) -> Tensor:
    """Take uint8 images 0..255 to float32 in 0..1; floats are in 0..1 already."""
    if images.is_floating_point():
        return images.float()
    return images.float().div_(255)


def shrink(image: Tensor, scale: float) -> Tensor:
    """Resize an image ``(C, H, W)`` uint8 by ``scale``, antialiased."""
    if scale == 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[-2:]]
    return F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]


class EvaluationSamples(torch.utils.data.Dataset[Sample]):
    """Samples as they are, the image resized by ``scale``, the label at its own resolution."""

    def __init__(self, dataset: SegmentationDataset, scale: float) -> None:
        self.dataset, self.scale = dataset, scale

    def __len__(self) -> int:
        return len(self.dataset.ids)

    def __getitem__(self, index: int) -> Sample:
        image, label = self.dataset.load(index, evaluation_stream(self.dataset.ids[index]))
        pixels = torch.from_numpy(np.array(planes(image), order="C"))
        return {"image": shrink(pixels, self.scale), "label": torch.from_numpy(np.array(label)), "index": index}
