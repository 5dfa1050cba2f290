"""A training batch on its way to the network: cut out in the loader, augmented where the network runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segnet.data.augmentation.augmentation import Augmentation, Draw, cut, smoothing_radius
from segnet.data.augmentation.balance import draw_centre
from segnet.data.augmentation.distortion import compress
from segnet.data.augmentation.library import apply_transforms
from segnet.data.augmentation.mixing import Mix, lay_over
from segnet.data.augmentation.transform import AffineTransforms
from segnet.data.progression import Progression
from segnet.data.samples import Batch, SegmentationDataset, planes
from segnet.errors import UserError
from segnet.randomness import numpy_stream, stream_seed


class TrainingSample(NamedTuple):
    """A part of an image ``(C, H, W)`` and its label ``(H, W)``, uint8, and what is to happen to them.

    Attributes:
        index: its place in the split.
        pasted: the sample whose objects are pasted into this one; None: none.
        mixed: the sample of which a part is laid over this one; None: none.
        mixing: what was drawn for that, see :class:`segnet.data.augmentation.mixing.Mix`.
    """

    image: np.ndarray
    label: np.ndarray
    draw: Draw
    index: int  # type: ignore[assignment]  # nobody asks a sample for tuple.index
    pasted: "TrainingSample | None" = None
    mixed: "TrainingSample | None" = None
    mixing: np.ndarray | None = None


@dataclass(frozen=True)
class TrainingBatch:
    """What the training loader yields: pixels as they were decoded, and what was drawn for them.

    Attributes:
        image: ``(M, C, H, W)`` uint8, the parts of the images that are read, padded to one size: the N samples of the
            batch, then those whose objects are pasted into them, then those that are mixed into them. M is the first
            axis of all but ``index`` and ``mixing``.
        label: ``(M, H, W)`` uint8.
        index: ``(N,)`` int64, place of the samples in their split.
        transforms: see :class:`segnet.data.augmentation.transform.AffineTransforms`.
        colours: ``(M, 5)`` float32, see :class:`segnet.data.augmentation.augmentation.Draw`.
        effects: ``(M, 8)`` float32, see :class:`segnet.data.augmentation.augmentation.Draw`.
        nodes: ``(M, 2, 5, 5)`` float32, likewise.
        parts: height and width of each sample before padding.
        radii: of the smoothing of each sample, see :func:`segnet.data.augmentation.transform.transform_batch`.
        size: height and width after augmentation.
        augmentation: what does it.
        targets: places in the batch of the samples that get the objects of the samples from N on, one each.
        mixed: places in the batch of the samples that get a part of the samples after those.
        mixing: ``(len(mixed), ...)`` float32, what was drawn for that.
        mix: what says which part.
    """

    image: Tensor
    label: Tensor
    index: Tensor
    transforms: AffineTransforms
    colours: Tensor
    effects: Tensor
    nodes: Tensor
    parts: list[tuple[int, int]]
    radii: list[int]
    size: tuple[int, int]
    augmentation: Augmentation
    targets: Sequence[int] = ()
    mixed: Sequence[int] = ()
    mixing: Tensor = field(default_factory=lambda: torch.zeros(0))
    mix: Mix | None = None

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str) -> "TrainingBatch":
        """Copy the tensors to a device, without waiting where they are pinned."""
        pinned = torch.device(device).type == "cuda"
        return self._each(lambda tensor: tensor.to(device, non_blocking=pinned))

    def pin_memory(self) -> "TrainingBatch":
        """Copy the tensors to page-locked memory; torch's loader calls this."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "TrainingBatch":
        return replace(
            self,
            image=change(self.image),
            label=change(self.label),
            index=change(self.index),
            transforms=AffineTransforms(*[change(values) for values in self.transforms]),
            colours=change(self.colours),
            effects=change(self.effects),
            nodes=change(self.nodes),
            mixing=change(self.mixing) if self.mixed else self.mixing,
        )

    def augment(self) -> Batch:
        """Return the batch that the network learns from, on the device where the tensors are.

        On a GPU the whole batch is done at once. On the CPU one sample is done after another, which stays in the
        caches; the result is the same.
        """
        if self.image.device.type == "cpu":
            each = enumerate(zip(self.parts, self.radii, strict=True))
            pairs = [self._augment(slice(n, n + 1), part, radius) for n, (part, radius) in each]
            images, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        else:
            images, labels = self._augment(slice(None), self.image.shape[-2:], max(self.radii))
        self._mix(images, labels)
        for source, target in enumerate(self.targets, start=len(self)):
            self.augmentation.paste_objects(images[source], labels[source], images[target], labels[target])
        return {"image": images[: len(self)], "label": labels[: len(self)], "index": self.index}

    def _mix(self, images: Tensor, labels: Tensor) -> None:
        """Lay parts of the samples at the end over others, in place; before objects are pasted, which stay in sight."""
        first = len(self) + len(self.targets)
        for source, (target, drawn) in enumerate(zip(self.mixed, self.mixing, strict=True), start=first):
            assert self.mix is not None
            chosen = self.mix.choose(labels[source], drawn)
            lay_over(chosen, images[source], labels[source], images[target], labels[target])

    def _augment(self, chosen: slice, part: Sequence[int], radius: int) -> tuple[Tensor, Tensor]:
        return self.augmentation.transform(
            self.image[chosen, :, : part[0], : part[1]],
            self.label[chosen, : part[0], : part[1]],
            AffineTransforms(*(values[chosen] for values in self.transforms)),
            self.colours[chosen],
            self.effects[chosen],
            self.size,
            radius,
            self.nodes[chosen],
        )


class TrainingSamples(torch.utils.data.Dataset[TrainingSample]):
    """Training samples, found by ``(epoch, index)``: what is drawn for them depends on these and the seed alone.

    A third number in the key tells the times apart that an epoch sees a sample.

    Args:
        dataset: the training split.
        augmentation: of the samples.
        scale: the network sees images resized by this factor.
        seed: the run's seed.
        progression: of the resolution; None: the same in all epochs.
        passes: how many of the sampler's epochs make one of the training's.
        preferences: ``(K,)``, how much a class is preferred where ``augmentation`` balances them, see
            :func:`segnet.data.augmentation.balance.class_preferences`.
        mix: how parts of other samples are mixed into a sample; None: not at all.
    """

    def __init__(
        self,
        dataset: SegmentationDataset,
        augmentation: Augmentation,
        scale: float,
        seed: int,
        progression: Progression | None = None,
        passes: int = 1,
        preferences: np.ndarray | None = None,
        mix: Mix | None = None,
    ) -> None:
        self.dataset, self.augmentation, self.scale, self.seed = dataset, augmentation, scale, seed
        self.progression, self.passes = progression, passes
        self.preferences, self.mix = preferences, mix

    def __len__(self) -> int:
        return len(self.dataset.ids)

    def __getitem__(self, key: tuple[int, ...]) -> TrainingSample:
        epoch, index = key[:2]
        random = numpy_stream(self.seed, "sample", *key)
        resolution = 1.0 if self.progression is None else self.progression.resolution(epoch // self.passes)
        sample = self._draw(index, random, resolution, key)
        if self.augmentation.pastes(random):
            # From the same stream: what is pasted does not depend on the batch, nor on how many processes share it.
            pasted = self._draw(int(random.integers(len(self))), random, resolution, (*key, "paste"))
            if pasted.draw.size == sample.draw.size:
                sample = sample._replace(pasted=pasted)
        return sample if self.mix is None else self._with_mixed(sample, self.mix, resolution, key)

    def _with_mixed(self, sample: TrainingSample, mix: Mix, resolution: float, key: tuple[int, ...]) -> TrainingSample:
        """Draw whether a sample is mixed, and with which; from a stream beside its own, so that all else stays."""
        random = numpy_stream(self.seed, "mix", *key)
        if random.random() >= mix.probability:
            return sample
        mixed = self._draw(int(random.integers(len(self))), random, resolution, (*key, "mix"))
        if mixed.draw.size != sample.draw.size:
            return sample
        return sample._replace(mixed=mixed, mixing=mix.draw(sample.draw.size, random))

    def _draw(
        self, index: int, random: np.random.Generator, resolution: float, key: tuple[int | str, ...]
    ) -> TrainingSample:
        """Load a sample and draw its augmentation; the key is that of the streams beside its own."""
        augmentation = self.augmentation
        image, label = self.dataset.load(index, random)
        if augmentation.transforms:
            seed = stream_seed(self.seed, "transforms", *key)
            image, label = apply_transforms(augmentation.transforms, image, label, augmentation.ignore_index, seed)
        draw = augmentation.draw(label.shape, random, self.scale, resolution, self._centre(label, key))
        part, label, draw = cut(planes(image), label, draw)
        return TrainingSample(compress(part, draw.jpeg), label, draw, index)

    def _centre(self, label: np.ndarray, key: tuple[int | str, ...]) -> tuple[int, int] | None:
        """Draw which pixel the window is centred on, if it is to be one of a class."""
        if self.augmentation.class_balance == 0 or self.preferences is None:
            return None
        random = numpy_stream(self.seed, "class balance", *key)
        if random.random() >= self.augmentation.class_balance:
            return None
        return draw_centre(label, self.preferences, random)


def refuse_sizes(size: tuple[int, int], other: tuple[int, int]) -> NoReturn:
    """Say that images of two sizes, height and width, cannot be trained on together."""
    raise UserError(
        f"images of {size[1]}x{size[0]} and {other[1]}x{other[0]} pixels cannot share a batch: set "
        f"data.augmentation.crop=[HEIGHT,WIDTH], or data.batch_size=1"
    )


class Collate:
    """Joins training samples into a batch.

    Args:
        augmentation: what is to be done to them.
        mix: how they are mixed; None: not at all.
    """

    def __init__(self, augmentation: Augmentation, mix: Mix | None = None) -> None:
        self.augmentation, self.mix = augmentation, mix

    def __call__(self, samples: list[TrainingSample]) -> TrainingBatch:
        """Join samples.

        Raises:
            UserError: they do not come out in one size.
        """
        index = torch.tensor([sample.index for sample in samples])
        pasted = {place: sample.pasted for place, sample in enumerate(samples) if sample.pasted is not None}
        mixed = {place: sample.mixed for place, sample in enumerate(samples) if sample.mixed is not None}
        mixing = [sample.mixing for sample in samples if sample.mixing is not None]
        samples = [*samples, *pasted.values(), *mixed.values()]
        draws = [sample.draw for sample in samples]
        sizes = sorted({draw.size for draw in draws})
        if len(sizes) > 1:
            refuse_sizes(*sizes[:2])
        parts = [sample.label.shape for sample in samples]
        canvas = [max(sides) for sides in zip(*parts, strict=True)]

        def join(values: Sequence[npt.ArrayLike]) -> Tensor:
            return torch.from_numpy(np.stack(values).astype(np.float32))

        return TrainingBatch(
            image=torch.from_numpy(_stack([sample.image for sample in samples], canvas)),
            label=torch.from_numpy(_stack([sample.label for sample in samples], canvas)),
            index=index,
            transforms=AffineTransforms(
                *(join([getattr(draw, name) for draw in draws]) for name in AffineTransforms._fields)
            ),
            colours=join([draw.colour for draw in draws]),
            effects=join([draw.effects for draw in draws]),
            nodes=join([draw.nodes for draw in draws]),
            parts=parts,
            radii=[smoothing_radius(draw) for draw in draws],
            size=sizes[0],
            augmentation=self.augmentation,
            targets=list(pasted),
            mixed=list(mixed),
            mixing=join(mixing) if mixing else torch.zeros(0),
            mix=self.mix,
        )


def _stack(parts: Sequence[np.ndarray], canvas: Sequence[int]) -> np.ndarray:
    """Join ``(..., H, W)``; the last row and column of smaller ones are repeated, as the smoothing does at an edge."""
    joined = np.empty((len(parts), *parts[0].shape[:-2], *canvas), np.uint8)
    for target, part in zip(joined, parts, strict=True):
        height, width = part.shape[-2:]
        target[..., :height, :width] = part
        target[..., height:, :width] = part[..., -1:, :]
        target[..., width:] = target[..., width - 1 : width]
    return joined
