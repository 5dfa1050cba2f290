"""Signals and the end of the time allowed: a training finishes its step, writes a checkpoint and says how to resume."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer

from segnet.training.checkpoints import LastCheckpoint
from segnet.training.collectives import distributed, gather_values
from segnet.training.requeue import requeue_signals

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
OUT_OF_TIME = 124
"""Exit code when ``trainer.max_time`` is over, as that of the command ``timeout``."""


class InterruptedTraining(SystemExit):
    """Ends the process with 128 and the signal's number, or :data:`OUT_OF_TIME`."""


class Interruption(pl.Callback):
    """Waits for a signal, and in training for the end of the step in which it came.

    In validation a signal waits for the end of the epoch, whose checkpoint is written then. A second signal ends the
    training at once; it is resumed from the last checkpoint.

    Args:
        max_time: how long the training may take in this process, as Lightning's Trainer takes it; None: for ever.
    """

    def __init__(self, max_time: str | dict[str, int] | None = None) -> None:
        self._timer = None if max_time is None else Timer(max_time)
        self._code = 0
        self._waits = False
        self._process = os.getpid()
        self._handled: list[int] = []
        self._step = 0
        self.finished_epochs = 0

    @contextmanager
    def handlers(self) -> Iterator[None]:
        """Handle the signals inside; only the main thread of a program may."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (*SIGNALS, *requeue_signals())}
        # What nohup and the like have switched off stays off.
        self._handled = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
        self.take_over()
        try:
            yield
        finally:
            for number in self._handled:
                signal.signal(number, before[number])

    def take_over(self) -> None:
        """Handle the signals again, where Lightning has set handlers of its own."""
        if threading.current_thread() is threading.main_thread():
            for number in self._handled:
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a loading process, which inherits the handler
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        if self._code or not self._waits:
            raise InterruptedTraining(128 + number)
        self._code = 128 + number

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the ends of steps from now on; Lightning has handlers of its own, which end in exit code 0."""
        self.take_over()
        self._waits = True
        self.finished_epochs, self._step = trainer.current_epoch, trainer.global_step
        if self._timer is not None:
            self._timer.on_train_start(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        """End the training after a step of the optimiser; the last one of an epoch validates first."""
        if self._timer is not None and not self._code and (self._timer.time_remaining() or 0) <= 0:
            self._code = OUT_OF_TIME
        between_steps = trainer.global_step == self._step  # gradients are being accumulated
        self._step = trainer.global_step
        ends_epoch = trainer.fit_loop.batch_idx + 1 == trainer.num_training_batches
        if ends_epoch or between_steps or not self._any_process(trainer):
            return
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, LastCheckpoint):
                callback.write(trainer)
        raise InterruptedTraining(self._code)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the training where a signal came in the validation before; the epoch's checkpoint is written."""
        self.finished_epochs = trainer.current_epoch
        if self._any_process(trainer):
            raise InterruptedTraining(self._code)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait no longer: the scores that come after the training can be taken by resuming it."""
        self._waits = False
        if self._code and self._code != OUT_OF_TIME:
            self.finished_epochs = trainer.current_epoch
            raise InterruptedTraining(self._code)

    def _any_process(self, trainer: pl.Trainer) -> bool:
        """Say whether any process is to end; all then end with the same code."""
        if distributed():
            codes = gather_values(torch.tensor(self._code, device=trainer.strategy.root_device))
            self._code = int(codes.max().item())
        return self._code != 0

    @property
    def asks_for_requeue(self) -> bool:
        """Whether it was a signal of Slurm's before the end of the job's time that ended the training."""
        return self._code - 128 in requeue_signals()
