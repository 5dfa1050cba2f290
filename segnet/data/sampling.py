"""The order in which samples are seen, over epochs and processes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from segnet.data.repetition import draw_counts, epoch_size
from segnet.randomness import numpy_stream


class TrainingOrder(torch.utils.data.Sampler[tuple[int, ...]]):
    """Yields ``(epoch, index)`` for one process of several.

    The permutation of an epoch depends on (seed, epoch) alone. Whole batches are cut from it, and each process
    takes its share of every batch, so that the batches are the same for any number of processes. What does not fill
    a batch is left out of that epoch. So (epoch, batch) is all that a resumed training needs to know.

    Where an epoch sees a sample again, its key has a third number, 1 for the second time and so on: each time has an
    augmentation of its own.

    Args:
        size: number of samples in the split.
        batch_size: samples in a batch, over all processes.
        seed: the run's seed.
        passes: how often an epoch goes over the split; each pass has its own order and its own augmentation.
        rank: this process.
        world_size: number of processes.
        chunks: sizes of the runs of samples that lie in one file each; they come to ``size``.
        window: how many chunks are read at a time, see :func:`windowed_permutation`; None: all.
        factors: how often a pass sees each sample, see :mod:`segnet.data.repetition`; None: once.
        epoch_samples: samples in an epoch, as far as they fill batches. The order goes on from one epoch to the next,
            through as many permutations as it takes; None: an epoch is ``passes`` permutations.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        passes: int = 1,
        rank: int = 0,
        world_size: int = 1,
        chunks: Sequence[int] = (),
        window: int | None = None,
        factors: np.ndarray | None = None,
        epoch_samples: int | None = None,
    ) -> None:
        self.size, self.batch_size, self.seed, self.passes = size, batch_size, seed, passes
        self.rank, self.world_size = rank, world_size
        self.chunks, self.window = chunks, window
        self.factors, self.epoch_samples = factors, epoch_samples
        self._pass_size = size if factors is None else epoch_size(factors)
        self.epoch = self.first_batch = 0
        self._drawn: tuple[int, np.ndarray] | None = None  # the last permutation, by its number
        self._stretch: tuple[int, np.ndarray] | None = None  # the keys of the last pass, by its number

    def start_at(self, epoch: int, batch: int) -> None:
        """Go on in the middle of an epoch: batches before ``batch`` are left out of it.

        It has to be said before an iterator is made, since loading processes ask for the first batches at once.
        """
        self.epoch, self.first_batch = epoch, batch

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; Lightning calls this, for the epoch that :meth:`start_at` has named too."""
        if epoch != self.epoch:
            self.start_at(epoch, 0)

    @property
    def batches(self) -> int:
        """Batches in a whole epoch."""
        return self.passes * self._pass_batches

    @property
    def _pass_batches(self) -> int:
        return (self.epoch_samples or self._pass_size) // self.batch_size

    def __len__(self) -> int:
        return self.batches * (self.batch_size // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        epoch = self.epoch  # as it was when the iterator began
        for batch in range(self.first_batch, self.batches):
            yield from self.batch_keys(epoch, batch)

    def batch_keys(self, epoch: int, batch: int) -> list[tuple[int, ...]]:
        """Return this process's share of a batch of an epoch."""
        number, place = divmod(batch, self._pass_batches)
        number += epoch * self.passes
        share = self.batch_size // self.world_size
        first = place * self.batch_size + self.rank * share
        keys = self._keys(number)[first : first + share].tolist()
        return [(number, index, again) if again else (number, index) for index, again in keys]

    def _keys(self, number: int) -> np.ndarray:
        """Return of each sample of a pass its index and how often the pass has seen it before, ``(samples, 2)``."""
        if self._stretch is None or self._stretch[0] != number:
            indices = self._permutation(number) if self.epoch_samples is None else self._continued(number)
            self._stretch = number, np.column_stack([indices, occurrences(indices)])
        return self._stretch[1]

    def _continued(self, number: int) -> np.ndarray:
        """Cut the samples of an epoch out of the permutations in a row."""
        length = self._pass_batches * self.batch_size
        start, stop = number * length, (number + 1) * length
        first, last = start // self._pass_size, (stop - 1) // self._pass_size
        row = np.concatenate([self._permutation(permutation) for permutation in range(first, last + 1)])
        return row[start - first * self._pass_size :][:length]

    def _permutation(self, number: int) -> np.ndarray:
        if self._drawn is None or self._drawn[0] != number:
            random = numpy_stream(self.seed, "order", number)
            if self.window is not None:
                order = windowed_permutation(random, self.chunks, self.window, self._counts(number))
            elif self.factors is None:
                order = random.permutation(self.size)
            else:
                order = random.permutation(np.repeat(np.arange(self.size), self._counts(number)))
            self._drawn = number, order
        return self._drawn[1]

    def _counts(self, number: int) -> np.ndarray:
        if self.factors is None:
            return np.ones(self.size, np.int64)
        return draw_counts(self.factors, numpy_stream(self.seed, "repetition", number))


def occurrences(indices: np.ndarray) -> np.ndarray:
    """Return of each entry how many equal ones stand before it, ``(N,)`` int64."""
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    places = np.arange(len(indices))
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counted = np.empty(len(indices), np.int64)
    counted[order] = places - np.repeat(starts, np.diff(np.append(starts, len(indices))))
    return counted


def windowed_permutation(
    random: np.random.Generator, chunks: Sequence[int], window: int, counts: np.ndarray | None = None
) -> np.ndarray:
    """Return an order of samples that reads a few chunks at a time.

    The chunks are shuffled, ``window`` after ``window`` of them are taken, and the samples of these are shuffled.
    Samples of chunks in different windows are never mixed, so that batches are less random than in a permutation.

    Args:
        random: the epoch's stream.
        chunks: how many samples each has, in the order of the samples.
        window: chunks that are read at a time.
        counts: how often each sample is seen; None: once.

    Returns:
        ``(sum(chunks),)`` int64, each sample once, or as often as it is to be seen.
    """
    ends = np.cumsum(chunks)
    samples = np.ones(sum(chunks), np.int64) if counts is None else counts
    order = random.permutation(len(ends))
    parts = []
    for first in range(0, len(order), window):
        runs = [np.arange(ends[chunk] - chunks[chunk], ends[chunk]) for chunk in order[first : first + window]]
        places = np.concatenate(runs)
        parts.append(random.permutation(np.repeat(places, samples[places])))
    return np.concatenate(parts)


class EvaluationOrder(torch.utils.data.Sampler[int]):
    """Every sample once over all processes: each takes every ``world_size``-th, and none is padded."""

    def __init__(self, size: int, rank: int = 0, world_size: int = 1) -> None:
        self.indices = range(rank, size, world_size)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)


class EvaluationBatches(torch.utils.data.Sampler[list[int]]):
    """Cuts an order into batches of images of one size, the order as it is: no image is resized, padded or moved.

    Args:
        order: of the samples.
        batch_size: most samples in a batch.
        sizes: returns the size of each sample of the split; called when the first batch is asked for.
    """

    def __init__(self, order: EvaluationOrder, batch_size: int, sizes: Callable[[], Sequence[tuple[int, int]]]) -> None:
        self.order, self.batch_size, self._sizes = order, batch_size, sizes

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[list[int]]:
        sizes, batch = self._sizes(), list[int]()
        for index in self.order:
            if batch and (len(batch) == self.batch_size or sizes[index] != sizes[batch[0]]):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch
