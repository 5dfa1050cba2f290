"""The order in which samples are seen, over epochs and processes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from segnet.randomness import numpy_stream


class TrainingOrder(torch.utils.data.Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)`` for one process of several.

    The permutation of an epoch depends on (seed, epoch) alone. Whole batches are cut from it, and each process
    takes its share of every batch, so that the batches are the same for any number of processes. What does not fill
    a batch is left out of that epoch. So (epoch, batch) is all that a resumed training needs to know.

    Args:
        size: number of samples in the split.
        batch_size: samples in a batch, over all processes.
        seed: the run's seed.
        passes: how often an epoch goes over the split; each pass has its own order and its own augmentation.
        rank: this process.
        world_size: number of processes.
        chunks: sizes of the runs of samples that lie in one file each; they come to ``size``.
        window: how many chunks are read at a time, see :func:`windowed_permutation`; None: all.
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
    ) -> None:
        self.size, self.batch_size, self.seed, self.passes = size, batch_size, seed, passes
        self.rank, self.world_size = rank, world_size
        self.chunks, self.window = chunks, window
        self.epoch = self.first_batch = 0
        self._drawn: tuple[int, np.ndarray] | None = None  # the last permutation, by its number

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
        return self.passes * (self.size // self.batch_size)

    def __len__(self) -> int:
        return self.batches * (self.batch_size // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch  # as it was when the iterator began
        for batch in range(self.first_batch, self.batches):
            yield from self.batch_keys(epoch, batch)

    def batch_keys(self, epoch: int, batch: int) -> list[tuple[int, int]]:
        """Return this process's share of a batch of an epoch."""
        number, place = divmod(batch, self.size // self.batch_size)
        number += epoch * self.passes
        share = self.batch_size // self.world_size
        first = place * self.batch_size + self.rank * share
        return [(number, int(index)) for index in self._permutation(number)[first : first + share]]

    def _permutation(self, number: int) -> np.ndarray:
        if self._drawn is None or self._drawn[0] != number:
            random = numpy_stream(self.seed, "order", number)
            if self.window is None:
                self._drawn = number, random.permutation(self.size)
            else:
                self._drawn = number, windowed_permutation(random, self.chunks, self.window)
        return self._drawn[1]


def windowed_permutation(random: np.random.Generator, chunks: Sequence[int], window: int) -> np.ndarray:
    """Return an order of samples that reads a few chunks at a time.

    The chunks are shuffled, ``window`` after ``window`` of them are taken, and the samples of these are shuffled.
    Samples of chunks in different windows are never mixed, so that batches are less random than in a permutation.

    Args:
        random: the epoch's stream.
        chunks: how many samples each has, in the order of the samples.
        window: chunks that are read at a time.

    Returns:
        ``(sum(chunks),)`` int64, each sample once.
    """
    ends = np.cumsum(chunks)
    order = random.permutation(len(ends))
    parts = []
    for first in range(0, len(order), window):
        runs = [np.arange(ends[chunk] - chunks[chunk], ends[chunk]) for chunk in order[first : first + window]]
        parts.append(random.permutation(np.concatenate(runs)))
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
