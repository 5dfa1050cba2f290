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
from segnet.training.module import TrainingModule


class ExponentialAverage(WeightAveraging):
    """Keeps an exponential moving average of the weights, validates it and writes it to the checkpoints.

    Batch norms have the running statistics of the network that is trained, which are not those of the averaged one
    (Izmailov et al. 2018): they are estimated again at the end of each epoch, from its last batches as they were
    augmented. A checkpoint holds the averaged network as its weights, and beside it the trained one; a run
    resumed from there gives the bits of one that was never stopped.

    Args:
        decay: weight of the average so far in each step. It averages over about ``1 / (1 - decay)`` steps; at the start
            over fewer, ``(1 + step) / (10 + step)`` being the limit, so that the first weights are soon forgotten.
        norm_batches: how many batches the batch norms are estimated from.
    """

    def __init__(self, decay: float = 0.998, norm_batches: int = 8) -> None:
        super().__init__(use_buffers=False, multi_avg_fn=self._average)
        self.decay = decay
        self.batches: deque[Batch] = deque(maxlen=norm_batches)
        self._step = 0
        self._estimated = False

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Average after each step; its number is kept on the CPU, where nobody waits for it."""
        if step_idx is not None:
            self._step = step_idx
        return step_idx is not None

    def _average(self, averaged: list[Tensor], trained: list[Tensor], _: Tensor) -> None:
        decay = min(self.decay, (1 + self._step) / (10 + self._step))
        torch._foreach_lerp_(averaged, trained, 1 - decay)

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
        """Average after each step, and remember the batch."""
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
        with (
            _norms_that_average(pl_module, pl_module.frozen),
            torch.no_grad(),
            trainer.precision_plugin.forward_context(),
        ):
            for batch in self.batches:
                pl_module.batch_loss(batch)
        self._estimated = True


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
