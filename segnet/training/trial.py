"""Some steps of a training that is thrown away: what it tells goes into the training that follows."""

import gc
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
from torch import nn

from segnet.config import Config, with_values
from segnet.data import DataModule
from segnet.data.sampling import TrainingOrder
from segnet.training.module import TrainingModule
from segnet.training.task import Task
from segnet.training.trainer import build_trainer

BuildModule = Callable[[Config, Task, DataModule, nn.Module], TrainingModule]
"""See :func:`segnet.training.run.build_module`."""


def run_trial(
    config: Config,
    task: Task,
    data: DataModule,
    network: nn.Module,
    build_module: BuildModule,
    observer: pl.Callback,
    batches: int,
    changes: Mapping[str, Any],
) -> None:
    """Train as a config says, without its callbacks and loggers, until an observer ends it.

    Args:
        config: as composed from ``configs/train.yaml``; it stays as it is.
        task: its task.
        data: its data, which have been checked.
        network: it is trained; give a copy where it is needed as it was.
        build_module: what joins them.
        observer: the one callback; it sets ``trainer.should_stop``.
        batches: most that it wants to see.
        changes: further values, by path.
    """
    trial = with_values(
        config,
        {
            "logger": None,
            "trainer.max_epochs": 1,
            "trainer.check_val_every_n_epoch": 1,
            "trainer.limit_train_batches": None,
            "trainer.profiler": None,
            "trainer.enable_checkpointing": False,
            **changes,
        },
    )
    trainer = build_trainer(trial, [observer])
    share = trainer.global_rank, trainer.world_size
    pinned = trainer.strategy.root_device.type == "cuda"
    loader = data.train_loader(*share, pinned)
    order = loader.sampler
    assert isinstance(order, TrainingOrder)
    order.passes = -(-batches // (order.size // order.batch_size))  # an epoch that is long enough
    trainer.fit(build_module(trial, task, data, network), loader, data.eval_loader("val", *share, pinned))
    del trainer, loader
    gc.collect()  # the loading processes, and on a GPU the memory
