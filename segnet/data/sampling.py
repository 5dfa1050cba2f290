"""The order in which samples are seen, over epochs and processes."""

from collections.abc import Callable, Iterator, Sequence

import torch

from segnet.randomness import numpy_stream


class TrainingOrder(torch.utils.data.Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)`` for one process of several.

    The permutation of an epoch depends on (seed, epoch) alone. Whole batches are cut from it, and each process
    takes its share of every batch, so that the batches are the same for any number of processes. What does not fill
    a batch is left out of that epoch.

    Args:
        size: number of samples in the split.
        batch_size: samples in a batch, over all processes.
        seed: the run's seed.
        passes: how often an epoch goes over the split; each pass has its own order and its own augmentation.
        rank: this process.
        world_size: number of processes.
    """

    def __init__(
        self, size: int, batch_size: int, seed: int, passes: int = 1, rank: int = 0, world_size: int = 1
    ) -> None:
        self.size, self.batch_size, self.seed, self.passes = size, batch_size, seed, passes
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.passes * (self.size // self.batch_size) * (self.batch_size // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        share = self.batch_size // self.world_size
        for number in range(self.epoch * self.passes, (self.epoch + 1) * self.passes):
            order = numpy_stream(self.seed, "order", number).permutation(self.size)
            for start in range(0, self.size - self.batch_size + 1, self.batch_size):
                first = start + self.rank * share
                for index in order[first : first + share]:
                    yield number, int(index)


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
