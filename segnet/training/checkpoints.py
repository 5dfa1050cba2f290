"""The checkpoints of a run folder: when the best and the last are written, and how Lightning writes and reads them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from pytorch_lightning.plugins.io import CheckpointIO

from segnet.checkpoint_file import read_checkpoint, write_checkpoint
from segnet.errors import require
from segnet.run_folder import checkpoint_file

PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class CheckpointFiles(CheckpointIO):
    """Has Lightning write and read checkpoints by :mod:`segnet.checkpoint_file`.

    Its own way leads through the system's temporary folder, and is not atomic where that is another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint whole or not at all."""
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint onto the CPU, if it is whole; nothing in it is executed, whatever ``weights_only`` says."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


class RunCheckpoint(ModelCheckpoint):
    """Lightning's callback, whose state names files without their folder: a run folder can be copied and moved."""

    @property
    def state_key(self) -> str:
        """The key of Lightning's own class, under which older checkpoints have the state."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def state_dict(self) -> dict[str, Any]:
        """Leave the folder out."""
        return {**_renamed(super().state_dict(), lambda path: Path(path).name), "dirpath": None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state in this callback's folder, wherever it was written."""
        assert self.dirpath is not None
        folder = Path(self.dirpath)
        super().load_state_dict(
            {**_renamed(state_dict, lambda path: str(folder / Path(path).name)), "dirpath": self.dirpath}
        )


def _renamed(state: dict[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    names = {key: rename(state[key]) if state[key] else "" for key in PATHS}
    return {**state, **names, "best_k_models": {rename(path): score for path, score in state["best_k_models"].items()}}


def best_checkpoint(run_dir: str, monitor: str, mode: str) -> ModelCheckpoint:
    """Keep the checkpoint with the best score ``monitor``: the largest where ``mode`` is "max", or the smallest."""
    path = Path(run_dir) / checkpoint_file("best")
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


class LastCheckpoint(Checkpoint):
    """Writes ``last.ckpt``, from which a run is resumed: after each epoch, and within it now and then.

    A callback of its own, and after the best one: Lightning's ``save_last`` writes only when the best is written.

    Args:
        run_dir: the run folder.
        every_n_steps: write after so many steps of the optimiser; None: not by steps.
        every_n_minutes: write when the last one is so old; None: not by the clock.

    Raises:
        UserError: a number is not above 0.
    """

    def __init__(self, run_dir: str, every_n_steps: int | None = None, every_n_minutes: float | None = None) -> None:
        steps_valid = every_n_steps is None or every_n_steps >= 1
        require(steps_valid, "checkpoint.every_n_steps", every_n_steps, "an integer from 1 up, or null")
        minutes_valid = every_n_minutes is None or every_n_minutes > 0
        require(minutes_valid, "checkpoint.every_n_minutes", every_n_minutes, "a number above 0, or null")
        self.path = Path(run_dir) / checkpoint_file("last")
        self.every_n_steps, self.every_n_minutes = every_n_steps, every_n_minutes
        self._written = 0.0
        self._step = 0  # what the checkpoint holds

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._written, self._step = time.monotonic(), trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        """Write if it is time to; not between steps, where gradients are being accumulated, nor just before the end."""
        step, batch = trainer.global_step, trainer.fit_loop.batch_idx + 1
        if step == self._step or batch == trainer.num_training_batches:
            return
        if self._by_steps(step) or self._by_clock(trainer):
            self.write(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write, after validation: a resumed run starts with the next epoch."""
        self.write(trainer)

    def write(self, trainer: pl.Trainer) -> None:
        """Write the checkpoint; all processes call this."""
        trainer.save_checkpoint(self.path)
        self._written, self._step = time.monotonic(), trainer.global_step

    def _by_steps(self, step: int) -> bool:
        return self.every_n_steps is not None and step % self.every_n_steps == 0

    def _by_clock(self, trainer: pl.Trainer) -> bool:
        if self.every_n_minutes is None:
            return False
        # The first process decides: the clocks of two may differ, and writing takes them all.
        due: bool = trainer.strategy.broadcast(time.monotonic() - self._written >= 60 * self.every_n_minutes)
        return due


def last_checkpoint(
    run_dir: str, every_n_steps: int | None = None, every_n_minutes: float | None = 10.0
) -> LastCheckpoint:
    """Keep the checkpoint from which a run is resumed; the name that the configs of older runs have for it."""
    return LastCheckpoint(run_dir, every_n_steps, every_n_minutes)
