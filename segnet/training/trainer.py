"""Lightning's trainer: built from a config, and kept from saying what is not for those who call a command."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from segnet.config import Config, instantiate, instantiate_group
from segnet.devices import choose_precision, device_type
from segnet.errors import UserError
from segnet.training.checkpoints import CheckpointFiles

LIGHTNING_HINTS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    "Checkpoint directory .* exists and is not empty.*",  # a run that is resumed
    ".*could not find the monitored key.*",  # before the first validation
    "You're resuming from a checkpoint that ended before the epoch ended.*",  # see DataPosition
    "It is recommended to use `self.log.*sync_dist=True.*",  # each process logs what is of all of them already
    "`broadcast_buffers` is deprecated.*",  # what torch names instead is not in the oldest releases that are promised
    "Found .* module.* in eval mode at the start of training.*",  # what freeze names
    ".*isinstance.treespec, LeafSpec.*",
)


@contextlib.contextmanager
def without_hints() -> Iterator[None]:
    """Keep back what Lightning tells those who write a training, and what it warns its own maintainers of."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in LIGHTNING_HINTS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        logger.setLevel(level)


def build_trainer(config: Config, callbacks: list[pl.Callback]) -> pl.Trainer:
    """Build the trainer of a config.

    Raises:
        UserError: there is no such device or precision on this machine, or a logger is not installed.
    """
    loggers = instantiate_group("logger", config.logger)
    factory = instantiate(config.trainer)
    shows_progress = any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks)
    plugins = factory.keywords.get("plugins") or []
    device = device_type(config.trainer.accelerator)
    if (device, config.trainer.precision) == ("cpu", "16-mixed"):
        raise UserError("trainer.precision=16-mixed is for GPUs: on a CPU set bf16-mixed or 32-true")
    try:
        trainer: pl.Trainer = factory(
            plugins=[CheckpointFiles(), *(plugins if isinstance(plugins, list) else [plugins])],
            precision=choose_precision(config.trainer.precision, device),
            logger=loggers,
            callbacks=callbacks,
            max_time=None,  # see Interruption
            enable_progress_bar=shows_progress,  # else Lightning adds a bar of its own
            default_root_dir=config.run_dir,
        )
        return trainer
    except MisconfigurationException as error:
        devices = f"trainer.accelerator={config.trainer.accelerator} trainer.devices={config.trainer.devices}"
        raise UserError(f"no trainer for {devices} on this machine ({error}): choose trainer=cpu or auto") from error
