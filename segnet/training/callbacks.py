"""What a training writes down while it runs."""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar

from segnet.compat import describe_epochs
from segnet.run_folder import HISTORY, read_history, write_history
from segnet.training.checkpoints import best_checkpoint, last_checkpoint
from segnet.training.module import TrainingModule

__all__ = ["EpochBar", "History", "best_checkpoint", "last_checkpoint", "progress_bar"]
"""The checkpoints too: the configs of older runs name them here."""

log = logging.getLogger(__name__)


class History(pl.Callback):
    """Writes ``history.csv`` and a line to the log after each epoch.

    Args:
        run_dir: the run folder. A resumed run keeps the rows of its finished epochs.
        monitor: the score that the line names, such as "val/miou".

    Attributes:
        train_seconds: time spent in training steps so far, validation left out.
        train_images: images seen in them.
        first_step: when the first step of this process was done, seconds of :func:`time.monotonic`; None before.
    """

    def __init__(self, run_dir: str, monitor: str) -> None:
        self.path = Path(run_dir) / HISTORY
        self.monitor = monitor
        self.rows: list[dict[str, Any]] = []
        self.train_seconds, self.train_images = 0.0, 0
        self.first_step: float | None = None
        self._started = self._train_ended = 0.0
        self._in_epoch = self._validated = False
        self._epoch_seconds = 0.0  # of the epoch that is resumed in its middle, before that

    def state_dict(self) -> dict[str, Any]:
        """Keep the clock in the checkpoint."""
        seconds = time.perf_counter() - self._started if self._in_epoch else 0.0
        return {"train_seconds": self.train_seconds, "train_images": self.train_images, "epoch_seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the checkpoint's clock."""
        self.train_seconds, self.train_images = state_dict["train_seconds"], state_dict["train_images"]
        self._epoch_seconds = state_dict.get("epoch_seconds", 0.0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the rows of the epochs that are done."""
        self.rows = [row for row in read_history(self.path) if int(row["epoch"]) < trainer.current_epoch]
        # Lightning does not start an epoch that it resumes; one that it starts sets the clock back to 0.
        self._started = self._train_ended = time.perf_counter() - self._epoch_seconds
        self._in_epoch = self._epoch_seconds > 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = self._train_ended = time.perf_counter()
        self._in_epoch, self._validated = True, False

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that the epoch has scores; with ``trainer.check_val_every_n_epoch`` not each has."""
        self._validated = True

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        """Count images, and stop the clock with the last batch."""
        assert trainer.train_dataloader is not None
        self.train_images += trainer.train_dataloader.sampler.batch_size
        self._train_ended = time.perf_counter()
        if self.first_step is None:
            self.first_step = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch's row."""
        assert isinstance(pl_module, TrainingModule)
        self.train_seconds += self._train_ended - self._started
        self._in_epoch = False
        metrics = trainer.callback_metrics
        kept = ("val/", "fusion/") if self._validated else ()
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "train/loss": pl_module.epoch_loss.compute(),
            **{name: value.item() for name, value in metrics.items() if name.startswith(kept)},
            "seconds": round(time.perf_counter() - self._started, 3),
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            write_history(self.path, self.rows)
            width, scores = len(str(trainer.max_epochs)), ""
            if self._validated:
                scores = f"  val loss {row['val/loss']:.4f}  {self.monitor} {row[self.monitor]:.4f}"
            log.info(
                "epoch %*d/%d  train loss %.4f%s  %.1f s",
                width,
                row["epoch"] + 1,
                trainer.max_epochs,
                row["train/loss"],
                scores,
                row["seconds"],
            )


class EpochBar(RichProgressBar):
    """Lightning's bar, with epochs counted from 1 as the log counts them, and only what changes from step to step."""

    def __init__(self, leave: bool = False) -> None:
        super().__init__(leave=leave)
        describe_epochs(self, lambda epoch: f"epoch {epoch + 1}/{self.trainer.max_epochs}")

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Leave out what the log line of the epoch says."""
        metrics = super().get_metrics(trainer, pl_module)
        return {"loss": metrics["train/loss_step"]} if "train/loss_step" in metrics else {}


def progress_bar() -> EpochBar | None:
    """Show a bar on a terminal, and nothing elsewhere (the history logs one line per epoch)."""
    return EpochBar() if sys.stdout.isatty() else None
