"""A training of a given duration: some steps are timed first, and the number of epochs follows."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytorch_lightning as pl
import torch

from segnet.build import network_from_config, without_pretrained_weights
from segnet.config import Config
from segnet.data import DataModule
from segnet.devices import device_type
from segnet.errors import UserError, require
from segnet.number_format import format_duration
from segnet.training.collectives import distributed, gather_values
from segnet.training.processes import is_first_process
from segnet.training.task import Task
from segnet.training.trial import BuildModule, run_trial

log = logging.getLogger(__name__)

WARM_UP = 3
"""Batches that are not timed: compilers and caches are at work in them."""
FEWEST, MOST = 5, 500
"""Batches that are timed."""
SHARE, SHORTEST, LONGEST = 0.01, 1.0, 30.0
"""Of the budget the share that timing takes, and its limits in seconds."""
VALIDATED = 5
"""Batches of the validation split that are timed, at most."""
KEPT = 0.05
"""Share of the time that is kept for checkpoints, the starts of epochs and a machine that is busier later on."""
SCORING = 2.0
"""How much longer the last scoring takes for a batch than a validation, since it is in float32."""


@dataclass(frozen=True)
class Speed:
    """Seconds that a batch takes.

    Attributes:
        train: in a training step.
        val: in validation.
    """

    train: float
    val: float


@dataclass(frozen=True)
class Epoch:
    """How much there is in an epoch.

    Attributes:
        batches: of training.
        val_batches: of a validation.
        test_batches: of the test split, which is scored once, as the validation split is.
        validates_every: epochs from one validation to the next.
    """

    batches: int
    val_batches: int
    test_batches: int
    validates_every: int = 1


def affordable_epochs(seconds: float, speed: Speed, epoch: Epoch) -> int:
    """Return how many epochs fit into a time, the last scoring included: a multiple of ``validates_every``, or 0.

    Args:
        seconds: the time.
        speed: as measured.
        epoch: what an epoch has.
    """
    scoring = SCORING * speed.val * (epoch.val_batches + epoch.test_batches)
    left = (1 - KEPT) * (seconds - scoring)
    return max(0, int(left / seconds_of(speed, epoch)) // epoch.validates_every * epoch.validates_every)


def seconds_of(speed: Speed, epoch: Epoch) -> float:
    """Return the seconds that an epoch takes with its share of a validation."""
    return speed.train * epoch.batches + speed.val * epoch.val_batches / epoch.validates_every


def fit_into_budget(
    config: Config,
    task: Task,
    data: DataModule,
    build_module: BuildModule,
    started: float,
    take_over: Callable[[], None] = lambda: None,
) -> None:
    """Put into a config the number of epochs that ``budget_minutes`` allows, and nothing in the place of that.

    The network that is timed is another one than that which will be trained, and is thrown away: a training with this
    config, here or elsewhere, comes to what one with that number of epochs comes to.

    Args:
        config: as composed from ``configs/train.yaml``.
        task: its task.
        data: its data, which have been checked.
        build_module: see :func:`segnet.training.run.build_module`.
        started: when the command was called, seconds of :func:`time.monotonic`.
        take_over: called when Lightning has set handlers of its own for signals.

    Raises:
        UserError: the budget is not enough for an epoch, or for as many as lie between two validations.
    """
    minutes = config.budget_minutes
    if data.progression is not None:
        raise UserError(
            f"budget_minutes={minutes} cannot choose the number of epochs under data.progression, which names epochs: "
            f"set epochs, or data.progression=null"
        )
    if is_first_process():
        log.info("timing some steps, since budget_minutes=%s", minutes)
    speed = measure(config, task, data, build_module, 60 * minutes, take_over)
    epoch = _epoch_of(config, data)
    left = 60 * minutes - (time.monotonic() - started)
    epochs = _of_first_process(affordable_epochs(left, speed, epoch), device_type(config.trainer.accelerator))
    duration = seconds_of(speed, epoch)
    if epochs < 1:
        several = epoch.validates_every > 1
        what = f"{epoch.validates_every} epochs with the validation after them" if several else "one epoch"
        other = "trainer.check_val_every_n_epoch=1" if several else "+trainer.limit_train_batches=0.1"
        raise UserError(
            f"budget_minutes={minutes} is not enough for {what}: an epoch takes {format_duration(duration)} here, and "
            f"{format_duration(max(0, left))} are left; give more, or set {other}"
        )
    if is_first_process():
        log.info(
            "budget_minutes=%s: a step takes %.3g s, an epoch %.3g s; this makes %d epochs",
            *(minutes, speed.train, duration, epochs),
        )
    config.epochs = config.trainer.max_epochs = epochs
    config.budget_minutes = None


def measure(
    config: Config,
    task: Task,
    data: DataModule,
    build_module: BuildModule,
    seconds: float,
    take_over: Callable[[], None],
) -> Speed:
    """Time some steps, and some batches of validation, of a training that is thrown away.

    Args:
        config: of the training.
        task: its task.
        data: its data.
        build_module: see :func:`segnet.training.run.build_module`.
        seconds: the budget, of which timing takes a part.
        take_over: see :func:`fit_into_budget`.
    """
    clock = StepClock(min(LONGEST, max(SHORTEST, SHARE * seconds)), take_over)
    network = network_from_config(without_pretrained_weights(config))
    changes = {"trainer.limit_val_batches": VALIDATED}
    run_trial(config, task, data, network, build_module, clock, WARM_UP + MOST, changes)
    return clock.speed()


class StepClock(pl.Callback):
    """Times training steps after the first few, and then validation, and ends the training.

    A GPU is waited for where the clock is read, and nowhere between.

    Args:
        seconds: that the timed steps should take together.
        take_over: called when the training starts.
    """

    def __init__(self, seconds: float, take_over: Callable[[], None] = lambda: None) -> None:
        self.seconds, self.take_over = seconds, take_over
        self._marks: list[float] = []
        self._last = 0
        self._validated = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the command handle signals."""
        self.take_over()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        """Read the clock after the first batches, and after the last; the first process says which that is."""
        timed = trainer.fit_loop.batch_idx + 1 - WARM_UP
        if timed == 0:
            self._read(trainer)
        elif timed == FEWEST:
            self._read(trainer)
            spent = self._marks[1] - self._marks[0]
            self._last = trainer.strategy.broadcast(min(MOST, max(FEWEST, int(FEWEST * self.seconds / spent))))
        if timed == self._last > 0:
            self._marks[1:] = []
            self._read(trainer)
            trainer.should_stop = True

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        """Count."""
        self._validated += 1

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the clock."""
        self._read(trainer)

    def speed(self) -> Speed:
        """Return what was measured."""
        begin, end, validated = self._marks
        return Speed((end - begin) / self._last, (validated - end) / max(1, self._validated))

    def _read(self, trainer: pl.Trainer) -> None:
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize(trainer.strategy.root_device)
        self._marks.append(time.perf_counter())


def _epoch_of(config: Config, data: DataModule) -> Epoch:
    def limited(count: int, setting: str) -> int:
        limit = config.trainer.get(setting)
        return count if limit is None else int(count * limit) if isinstance(limit, float) else min(count, limit)

    batches = data.passes * (len(data.split("train").ids) // data.batch_size)
    val, test = (len(data.eval_loader(split)) for split in ("val", "test"))
    return Epoch(
        max(1, limited(batches, "limit_train_batches")),
        max(1, limited(val, "limit_val_batches")),
        test,
        config.trainer.get("check_val_every_n_epoch", 1),
    )


def _of_first_process(value: int, device: str) -> int:
    """Return the value of the first process, since the clocks of two differ."""
    return int(gather_values(torch.tensor(value, device=device)).flatten()[0]) if distributed() else value


def check_budget(config: Config) -> None:
    """Check the setting.

    Raises:
        UserError: it is no number above 0.
    """
    minutes = config.get("budget_minutes")
    is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    valid = minutes is None or (is_number and 0 < minutes < float("inf"))
    require(valid, "budget_minutes", minutes, "a number above 0, or null")
