"""What a training writes down while it runs."""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint, RichProgressBar

from segnet.compat import describe_epochs
from segnet.run_folder import HISTORY, checkpoint_file, read_history, write_history
from segnet.training.checkpoints import RunCheckpoint

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
        self._validated = False

    def state_dict(self) -> dict[str, Any]:
        """Keep the clock in the checkpoint."""
        return {"train_seconds": self.train_seconds, "train_images": self.train_images}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the checkpoint's clock."""
        self.train_seconds, self.train_images = state_dict["train_seconds"], state_dict["train_images"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the rows of the epochs that are done."""
        self.rows = [row for row in read_history(self.path) if int(row["epoch"]) < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = self._train_ended = time.perf_counter()
        self._validated = False

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
        self.train_seconds += self._train_ended - self._started
        metrics = trainer.callback_metrics
        kept = ("val/", "fusion/") if self._validated else ()
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "train/loss": metrics["train/loss_epoch"].item(),
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


def best_checkpoint(run_dir: str, monitor: str, mode: str) -> ModelCheckpoint:
    """Keep the checkpoint with the best score ``monitor``: the largest where ``mode`` is "max", or the smallest."""
    return _checkpoint(Path(run_dir) / checkpoint_file("best"), monitor=monitor, mode=mode)


def last_checkpoint(run_dir: str) -> ModelCheckpoint:
    """Keep the checkpoint of the last finished epoch, from which a run is resumed.

    A callback of its own, and after the one above: Lightning's ``save_last`` writes only when the best is written.
    """
    return _checkpoint(Path(run_dir) / checkpoint_file("last"))


def _checkpoint(path: Path, monitor: str | None = None, mode: str = "min") -> ModelCheckpoint:
    return RunCheckpoint(
        dirpath=path.parent,
        filename=path.stem,
        save_top_k=1,
        # After validation and after the epoch's end, so that a resumed run starts with the next epoch.
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        monitor=monitor,
        mode=mode,
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
