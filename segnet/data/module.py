"""One place for all that a training takes from a data set."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from segnet.data.augmentation.augmentation import Augmentation
from segnet.data.augmentation.balance import class_preferences
from segnet.data.augmentation.mixing import Mix
from segnet.data.batch import Collate, TrainingSamples, refuse_sizes
from segnet.data.cache import CachedDataset, decode_once
from segnet.data.integrity import KnownDataset, SplitFacts, absent_classes, check_samples, image_sizes
from segnet.data.progression import Progression
from segnet.data.repetition import repeat_factors
from segnet.data.samples import Batch, EvaluationSamples, FirstSamples, SegmentationDataset
from segnet.data.sampling import EvaluationBatches, EvaluationOrder, TrainingOrder
from segnet.devices import available_cores
from segnet.errors import UserError, require

SPLITS = ("train", "val", "test")


class DataModule:
    """Splits, loaders and facts of a data set.

    Args:
        dataset: factory of a split, called with ``split="train"``, "val" or "test".
        classes: name and colour (RGB, 0..255) of each class, in the order of the labels.
        ignore_index: label that is neither learned nor scored, 0..255.
        channels: image channels, 1 or 3.
        augmentation: of training samples, see :class:`segnet.data.Augmentation`.
        batch_size: samples in a training batch, over all processes.
        eval_batch_size: samples in a batch of validation and test.
        num_workers: loading processes; None takes two less than the cores, 8 at most.
        scale: the network sees images resized by this factor; scores are taken at the labels' own resolution.
        passes: how often one epoch goes over the training split.
        seed: the run's seed, of order and augmentation.
        progression: part of their resolution at which training images are, by the epoch from which it holds, see
            :class:`segnet.data.progression.Progression`; None: the whole in all epochs.
        cache_budget_gib: a split made from files is decoded once, into a file of at most this size; 0 decodes it in
            every epoch. See :class:`segnet.data.cache.CachedDataset`.
        cache_dir: folder of that file; None chooses one.
        verify: a training first verifies a data set that is made from files, and does so again when a file changes.
        window: of a packed set, how many chunks the order of an epoch mixes at a time, see
            :func:`segnet.data.sampling.windowed_permutation`; None: all.
        repeat_factor: share of the training images below which a class is rare, and its images are seen more often, see
            :func:`segnet.data.repetition.repeat_factors`; 0: none is.
        epoch_samples: samples in an epoch; the order goes on from one epoch to the next. None: ``passes`` decides.
        mix: how a part of another sample is laid over a sample, see :class:`segnet.data.CutMix`; None: not at all.
        overfit_images: take so many of the first training images as each of the three splits; None: the splits.

    Raises:
        UserError: a value is out of its range; the message names the setting.
    """

    def __init__(
        self,
        dataset: Callable[..., SegmentationDataset],
        classes: dict[str, tuple[int, int, int]],
        ignore_index: int,
        channels: int,
        augmentation: Augmentation,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int | None = None,
        scale: float = 1.0,
        passes: int = 1,
        seed: int = 0,
        progression: Mapping[int, float] | None = None,
        cache_budget_gib: float = 4.0,
        cache_dir: str | Path | None = None,
        verify: bool = True,
        window: int | None = None,
        repeat_factor: float = 0.0,
        epoch_samples: int | None = None,
        mix: Mix | None = None,
        overfit_images: int | None = None,
    ) -> None:
        require(batch_size >= 1, "data.batch_size", batch_size, "an integer from 1 up")
        require(eval_batch_size >= 1, "data.eval_batch_size", eval_batch_size, "an integer from 1 up")
        require(
            num_workers is None or num_workers >= 0, "data.num_workers", num_workers, "an integer from 0 up, or null"
        )
        require(0 < scale < math.inf, "data.scale", scale, "a number above 0")
        require(passes >= 1, "data.passes", passes, "an integer from 1 up")
        require(0 <= cache_budget_gib < math.inf, "data.cache_budget_gib", cache_budget_gib, "a number from 0 up")
        require(window is None or window >= 1, "data.window", window, "an integer from 1 up, or null")
        require(0 <= repeat_factor <= 1, "data.repeat_factor", repeat_factor, "a share of the images from 0 to 1")
        few = overfit_images is None or overfit_images >= 1
        require(few, "data.overfit_images", overfit_images, "an integer from 1 up, or null")
        _check_epoch(epoch_samples, batch_size, passes)
        _check_facts(classes, ignore_index, channels, augmentation)
        self._dataset = dataset
        self.classes = list(classes)
        self.colours = [tuple(colour) for colour in classes.values()]
        self.ignore_index, self.channels, self.scale = ignore_index, channels, scale
        self.augmentation, self.passes, self.seed = augmentation, passes, seed
        self.progression = None if progression is None else Progression(progression)
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.cache_budget, self.cache_dir = int(cache_budget_gib * 2**30), cache_dir
        self.verify, self.window = verify, window
        self.repeat_factor, self.epoch_samples, self.mix = repeat_factor, epoch_samples, mix
        self.overfit_images = overfit_images
        self.num_workers = _spare_cores() if num_workers is None else num_workers
        # Kept here and not by functools.cache, which would keep each module and its decoded images for ever.
        self._splits: dict[str, SegmentationDataset] = {}
        self._pixel_counts: dict[str, Tensor] = {}
        self._sizes: dict[str, list[tuple[int, int]]] = {}

    def split(self, name: str) -> SegmentationDataset:
        """Return the split "train", "val" or "test", the same object at each call.

        Raises:
            UserError: there is no such split, or the data set says what is missing.
        """
        if name not in SPLITS:
            raise UserError(f"there is no split {name!r}: choose one of {', '.join(SPLITS)}")
        if name not in self._splits:
            self._splits[name] = decode_once(self.source(name), name, self.cache_budget, self.cache_dir)
        return self._splits[name]

    def source(self, name: str) -> SegmentationDataset:
        """Return a split that is read from its files, and not from the cache of decoded ones."""
        if self.overfit_images is not None:
            return FirstSamples(self._dataset(split="train"), self.overfit_images)
        return self._dataset(split=name)

    def remember(self, split: str, pixels: Tensor, sizes: list[tuple[int, int]]) -> None:
        """Take what reading all samples of a split has told, see :class:`segnet.data.integrity.SplitFacts`."""
        self._pixel_counts[split], self._sizes[split] = pixels, sizes

    def pixel_counts(self, split: str) -> Tensor:
        """Check all samples of a split and return the pixels of each class, ``(images, K)`` int64."""
        if split not in self._pixel_counts:
            about = self.classes, self.ignore_index, self.channels
            self.remember(split, *(self._known(split) or check_samples(self.split(split), *about)))
        return self._pixel_counts[split]

    def sizes(self, split: str) -> list[tuple[int, int]]:
        """Return the height and width of each image of a split, as its files have them."""
        if split not in self._sizes:
            known = self._known(split)
            self._sizes[split] = image_sizes(self.split(split)) if known is None else known.sizes
        return self._sizes[split]

    def _known(self, split: str) -> SplitFacts | None:
        dataset = self.split(split)
        if not isinstance(dataset, KnownDataset):
            return None
        return dataset.known_facts(self.classes, self.ignore_index, self.channels)

    def absent_classes(self) -> list[str]:
        """Return the classes without a pixel in the training split, see :mod:`segnet.data.integrity`."""
        return absent_classes(self.pixel_counts("train"), self.classes, self.ignore_index)

    def has_labelled_pixels(self, split: str) -> bool:
        """Tell whether a split has a pixel that is scored."""
        return bool(self.pixel_counts(split).any())

    def check(self, world_size: int = 1) -> None:
        """Check the samples of all splits, and the batch size.

        Raises:
            UserError: see :func:`segnet.data.integrity.check_samples` and :meth:`absent_classes`; or the validation
                split has no labelled pixel, the batch size does not fit, or training images of several sizes would
                have to share a batch.
        """
        self.check_batch_size(world_size)
        for name in SPLITS:
            self.pixel_counts(name)
        self.absent_classes()
        if not self.has_labelled_pixels("val"):
            raise UserError(
                f"the validation split has no labelled pixel, all are data.ignore_index={self.ignore_index}: nothing "
                f"can tell which epoch is the best; give it labels, or other samples"
            )
        sizes = sorted(set(self.sizes("train")))
        if len(sizes) > 1 and self.augmentation.crop is None and self.batch_size > world_size:
            refuse_sizes(*sizes[:2])

    def check_batch_size(self, world_size: int = 1) -> None:
        """Check the batch size alone.

        Raises:
            UserError: it does not fit the training split or the number of processes.
        """
        size = len(self.split("train").ids)
        if size == 0:
            raise UserError("the training split holds no images: a training needs one at least")
        if self.batch_size > size and self.epoch_samples is None:
            raise UserError(
                f"the batch size {self.batch_size} is larger than the training split of {size} images: "
                f"set data.batch_size={size} or less"
            )
        if self.batch_size % world_size:
            raise UserError(
                f"the batch size {self.batch_size} cannot be shared by {world_size} processes: set data.batch_size "
                f"to a multiple of {world_size}"
            )

    def training_samples(self, dataset: SegmentationDataset) -> TrainingSamples:
        """Return the samples of a training split with what is drawn for them."""
        augmentation = self.augmentation
        preferences = class_preferences(self.pixel_counts("train")) if augmentation.class_balance > 0 else None
        settings = (self.scale, self.seed, self.progression, self.passes, preferences, self.mix)
        return TrainingSamples(dataset, augmentation, *settings)

    @property
    def collate(self) -> Collate:
        """What joins training samples into a batch."""
        return Collate(self.augmentation, self.mix)

    def train_loader(self, rank: int = 0, world_size: int = 1, pin_memory: bool = False) -> DataLoader[Any]:
        """Batches for one process of several, see :class:`segnet.data.sampling.TrainingOrder`.

        They are :class:`segnet.data.batch.TrainingBatch`; their ``augment()`` makes what the network learns from.

        Args:
            rank: this process.
            world_size: number of processes.
            pin_memory: keep batches in page-locked memory, for copies to a GPU that nobody waits for.
        """
        samples = self.training_samples(self.split("train"))
        chunks = getattr(samples.dataset, "chunk_sizes", ())
        if self.window is not None and not chunks:
            raise UserError(f"data.window={self.window} is for a packed set, which has chunks: leave it out")
        rare = repeat_factors(self.pixel_counts("train"), self.repeat_factor) if self.repeat_factor > 0 else None
        order = TrainingOrder(
            *(len(samples), self.batch_size, self.seed, self.passes, rank, world_size, chunks, self.window, rare),
            epoch_samples=self.epoch_samples,
        )
        share = self.batch_size // world_size
        return self._loader(samples, pin_memory, batch_size=share, sampler=order, collate_fn=self.collate)

    def training_batches(self, epoch: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Yield the augmented batches of an epoch, on the CPU: the bits that a training on the CPU learns from."""
        loader = self.train_loader(rank, world_size)
        order = loader.sampler
        assert isinstance(order, TrainingOrder)
        order.set_epoch(epoch)
        for batch in loader:
            yield batch.augment()

    def eval_loader(self, split: str, rank: int = 0, world_size: int = 1, pin_memory: bool = False) -> DataLoader[Any]:
        """Batches of one process's share of a split, each sample once over all processes, in the order of the split.

        Where images differ in size, a batch ends before an image of another size than its own.
        """
        samples = EvaluationSamples(self.split(split), self.scale)
        order = EvaluationOrder(len(samples), rank, world_size)
        batches = EvaluationBatches(order, self.eval_batch_size, lambda: self.sizes(split))
        return self._loader(samples, pin_memory, batch_sampler=batches)

    def _loader(
        self, samples: TrainingSamples | EvaluationSamples, pin_memory: bool, **how_batches_are_made: Any
    ) -> DataLoader[Any]:
        if isinstance(samples.dataset, CachedDataset):
            samples.dataset.open()  # here and not in each loading process
        return DataLoader(
            samples,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=pin_memory,
            **how_batches_are_made,
        )


def _check_epoch(epoch_samples: int | None, batch_size: int, passes: int) -> None:
    """Check the length of an epoch that is given in samples."""
    if epoch_samples is None:
        return
    enough = isinstance(epoch_samples, int) and epoch_samples >= batch_size
    require(enough, "data.epoch_samples", epoch_samples, f"an integer from data.batch_size={batch_size} up, or null")
    if passes != 1:
        raise UserError(
            f"data.epoch_samples={epoch_samples} and data.passes={passes} both say how long an epoch is: set "
            f"data.passes=1, or leave data.epoch_samples out"
        )


def _check_facts(
    classes: Mapping[str, tuple[int, int, int]], ignore_index: int, channels: int, augmentation: Augmentation
) -> None:
    """Check what a data set says of itself."""
    require(0 <= ignore_index <= 255, "data.ignore_index", ignore_index, "a label from 0 to 255")
    require(channels in (1, 3), "data.channels", channels, "1 (grey) or 3 (colour)")
    others = len(classes) - (ignore_index < len(classes))
    if others < 2 or len(classes) > 256:
        raise UserError(
            f"data.classes names {len(classes)} classes ({', '.join(classes)}), {others} of them other than "
            f"data.ignore_index={ignore_index}: a network needs 2 to tell apart, and a label has room for 256"
        )
    if len(augmentation.fill) != channels:
        raise UserError(
            f"data.mean has {len(augmentation.fill)} values and data.channels={channels}: give data.mean and data.std "
            f"one value for each channel"
        )


def _spare_cores() -> int:
    """Count the cores that a training can spare, 8 at most; of two it needs both."""
    return min(8, max(0, available_cores() - 2))
