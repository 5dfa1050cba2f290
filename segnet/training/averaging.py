"""Averaging the weights of the last steps: what is validated and kept is calmer than the network that is trained."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch import Tensor, nn

from segnet.data.samples import Batch
from segnet.data.sampling import TrainingOrder
from segnet.errors import require
from segnet.training.module import TrainingModule


class WeightAverage(WeightAveraging):
    """Keeps an average of the weights, validates it and writes it to the checkpoints.

    Batch norms have the running statistics of the network that is trained, which are not those of the averaged one
    (Izmailov et al. 2018): they are estimated again at the end of each epoch, from its last batches as they were
    augmented. A checkpoint holds the averaged network as its weights, and beside it the trained one; a run
    resumed from there gives the bits of one that was never stopped.

    Args:
        norm_batches: how many batches the batch norms are estimated from.

    Attributes:
        share: of the trained weights in the next average; 1 makes that a copy of them.
    """

    def __init__(self, norm_batches: int) -> None:
        super().__init__(use_buffers=False, multi_avg_fn=self._average)
        self.batches: deque[Batch] = deque(maxlen=norm_batches)
        self.share = 1.0
        self._estimated = False

    def _average(self, averaged: list[Tensor], trained: list[Tensor], _: Tensor) -> None:
        torch._foreach_lerp_(averaged, trained, self.share)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load again the last batches before the one that a resumed epoch starts with, if batch norms need them."""
        super().on_train_start(trainer, pl_module)
        loader = trainer.train_dataloader
        assert loader is not None
        order: TrainingOrder = loader.sampler
        ahead = trainer.num_training_batches - order.first_batch
        missing = max(0, (self.batches.maxlen or 0) - int(ahead))
        for number in range(max(0, order.first_batch - missing), order.first_batch):
            keys = order.batch_keys(order.epoch, number)
            batch = loader.collate_fn([loader.dataset[key] for key in keys])
            self.batches.append(batch.to(pl_module.device).augment())

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last epoch's batches: a run that is resumed has none of them either."""
        self.batches.clear()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Average after the step, if it is time to, and remember the batch."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self.batches.append(batch)
        self._estimated = False

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the averaged weights into the network until validation is done."""
        super().on_validation_epoch_start(trainer, pl_module)
        if self.batches:
            self._estimate_norms(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Estimate the batch norms also where no validation came before the checkpoints."""
        super().on_train_epoch_end(trainer, pl_module)
        if not self._estimated:
            self._swap_models(pl_module)
            self._estimate_norms(trainer, pl_module)
            self._swap_models(pl_module)

    def _estimate_norms(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TrainingModule)
        self._estimated = True
        if self.share == 1:
            return  # the trained network itself, whose running statistics are its own
        with (
            _norms_that_average(pl_module, pl_module.frozen),
            torch.no_grad(),
            trainer.precision_plugin.forward_context(),
        ):
            for batch in self.batches:
                pl_module.batch_loss(batch)


class ExponentialAverage(WeightAverage):
    """An exponential moving average over steps.

    Args:
        decay: weight of the average so far in each step. It averages over about ``1 / (1 - decay)`` steps; at the start
            over fewer, ``(1 + step) / (10 + step)`` being the limit, so that the first weights are soon forgotten.
        norm_batches: how many batches the batch norms are estimated from.
    """

    def __init__(self, decay: float = 0.998, norm_batches: int = 8) -> None:
        super().__init__(norm_batches)
        self.decay, self.share = decay, 1 - decay

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Average after each step; the share is found on the CPU, where nobody waits for it."""
        if step_idx is None:
            return False
        self.share = 1 - min(self.decay, (1 + step_idx) / (10 + step_idx))
        return True


class StochasticAverage(WeightAverage):
    """The plain mean of the weights at the ends of the last epochs (SWA, Izmailov et al. 2018).

    Until these begin, the network that is trained is validated and kept. In the paper the learning rate stays high
    meanwhile, so that the weights differ: ``scheduler=constant``.

    Args:
        start: share of the epochs after which averaging begins, 0 to 1.
        norm_batches: how many batches the batch norms are estimated from.

    Raises:
        UserError: ``start`` is out of its range.
    """

    def __init__(self, start: float = 0.75, norm_batches: int = 8) -> None:
        require(0 <= start < 1, "callbacks.average.start", start, "a share of the epochs, from 0 to less than 1")
        super().__init__(norm_batches)
        self.start = start
        self._ends_epoch = False

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Average after the last step of an epoch, before it is validated."""
        return step_idx is not None and self._ends_epoch

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find which epoch of those that are averaged this is; a resumed run may have only its validation left."""
        super().on_train_start(trainer, pl_module)
        self._find_share(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Average after the epoch's last step, and remember the batch."""
        self._ends_epoch = trainer.is_last_batch
        self._find_share(trainer)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def _find_share(self, trainer: pl.Trainer) -> None:
        first = int(self.start * (trainer.max_epochs or 1))
        self.share = 1 / (1 + max(0, trainer.current_epoch - first))


@contextmanager
def _norms_that_average(module: nn.Module, frozen: Sequence[nn.Module] = ()) -> Iterator[None]:
    """Have batch norms forget what they know and take the plain mean over all batches; all else is as in evaluation.

    Those of frozen parts keep what they know.
    """
    training = {part: part.training for part in module.modules()}
    kept = {part for root in frozen for part in root.modules()}
    parts = [part for part in module.modules() if part not in kept]
    norms = {part: part.momentum for part in parts if isinstance(part, nn.BatchNorm2d)}
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in norms.items():
            norm.momentum = momentum
        for part, trains in training.items():
            part.training = trains
