"""A whole training: from a config to a run folder."""

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from segnet.analysis import count_macs, count_parameters, warn_if_rates_beyond_crop
from segnet.build import (
    data_from_config,
    find_user_error,
    instantiate,
    load,
    network_from_config,
    task_from_config,
    without_pretrained_weights,
)
from segnet.data import DataModule
from segnet.errors import UserError
from segnet.run_folder import CONFIG, LAST_CHECKPOINT, METRICS, PREDICTIONS, write_json, write_whole
from segnet.tasks import Task
from segnet.training.callbacks import History
from segnet.training.module import TrainingModule
from segnet.training.precision import choose_precision, device_type

log = logging.getLogger(__name__)

LIGHTNING_HINTS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    "Checkpoint directory .* exists and is not empty.*",  # a run that goes on
    ".*isinstance.treespec, LeafSpec.*",
)


def train(config: DictConfig, run_dir: Path, resume: bool = False, started: float | None = None) -> dict[str, Any]:
    """Train, score the best checkpoint on the test split, and fill the run folder.

    Args:
        config: as composed from ``configs/train.yaml``.
        run_dir: where to; ``config.run_dir`` is set to it.
        resume: go on from the folder's last checkpoint, if it has one.
        started: when the command was called, seconds of :func:`time.monotonic`; None: now. The time from there to the
            end of the first step is ``seconds_to_first_step``.

    Returns:
        The content of ``metrics.json``.

    Raises:
        UserError: the folder holds a run and ``resume`` is false; or something in the config or the data cannot
            work, and ``metrics.json`` then has ``status: failed``.
    """
    if _is_first_process() and not resume and (run_dir / CONFIG).exists():
        raise UserError(f"{run_dir} holds a run already: go on with it by resume={run_dir}, or name another run_dir")
    started = time.monotonic() if started is None else started
    config.run_dir = str(run_dir)
    metrics: dict[str, Any] = {"status": "failed", "seed": config.seed}
    try:
        with _without_hints():
            metrics |= _train(config, run_dir, resume, started)
        metrics["status"] = "completed"
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the one into the other
        metrics["status"] = "interrupted"
        raise
    except Exception as error:
        metrics["error"] = str(find_user_error(error) or error)
        raise
    finally:
        if _is_first_process():
            write_json(run_dir / METRICS, metrics)
    return metrics


@contextlib.contextmanager
def _without_hints() -> Iterator[None]:
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


def _is_first_process() -> bool:
    """Lightning starts the other processes of a training with this variable set."""
    return int(os.environ.get("LOCAL_RANK", 0)) == 0 and int(os.environ.get("NODE_RANK", 0)) == 0


def _train(config: DictConfig, run_dir: Path, resume: bool, started: float) -> dict[str, Any]:
    task, data = task_from_config(config), data_from_config(config)
    callbacks = _optional_parts("callbacks", config.callbacks)
    trainer = _build_trainer(config, callbacks)
    if trainer.world_size > 1 and HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        # The further processes would be started with the whole sweep's arguments.
        raise UserError(
            f"a sweep cannot share each run among {trainer.world_size} processes: leave out -m and call one training "
            f"after another, or set trainer.devices=1"
        )
    task.check(data, trainer.world_size)
    last = run_dir / LAST_CHECKPOINT
    goes_on = resume and last.is_file()
    network = network_from_config(without_pretrained_weights(config) if goes_on else config)
    module = _build_module(config, task, data, network)
    if trainer.is_global_zero:
        write_whole(run_dir / CONFIG, OmegaConf.to_yaml(config, resolve=True))
        log.info(
            "training on %d images: %s parameters, %s, %s",
            len(data.split("train").ids),
            f"{count_parameters(network):,}",
            trainer.strategy.root_device,
            trainer.precision,
        )
        _warn_of_rates(network, data, task)
    trainer.fit(
        module,
        data.train_loader(trainer.global_rank, trainer.world_size),
        data.eval_loader("val", trainer.global_rank, trainer.world_size),
        ckpt_path=str(last) if goes_on else None,
        weights_only=True,
    )
    if not trainer.is_global_zero:
        return {}
    # As anyone would load it later, so that segnet-evaluate repeats these scores to the last digit.
    network = load(run_dir).to(trainer.strategy.root_device)
    facts = _facts(trainer, network, task.input_shape(_image_shape(data)), started)
    return facts | task.final_scores(network, data, run_dir / PREDICTIONS)


def _warn_of_rates(network: nn.Module, data: DataModule, task: Task) -> None:
    """Say where the taps of an atrous convolution would see nothing but padding in training."""
    image = data.train_loader().dataset[0, 0]["image"]
    warning = warn_if_rates_beyond_crop(network, task.input_shape(tuple(image.shape))[-2:])
    if warning is not None:
        log.warning(warning)


def _optional_parts(group: str, config: DictConfig | None) -> list[Any]:
    """Build the entries of a group of callbacks or loggers; those that are null are switched off."""
    parts = []
    for name, node in (config or {}).items():
        try:
            parts.append(instantiate(node))
        except InstantiationException as error:
            if not isinstance(error.__cause__, ModuleNotFoundError):
                raise
            raise UserError(
                f'{group}={name} wants a package that is not installed: pip install "segnet[{name}]"'
            ) from error
    return [part for part in parts if part is not None]


def _build_trainer(config: DictConfig, callbacks: list[pl.Callback]) -> pl.Trainer:
    loggers = _optional_parts("logger", config.logger)
    factory = instantiate(config.trainer)
    shows_progress = any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks)
    try:
        return factory(
            precision=choose_precision(config.trainer.precision, device_type(config.trainer.accelerator)),
            logger=loggers,
            callbacks=callbacks,
            enable_progress_bar=shows_progress,  # else Lightning adds a bar of its own
            default_root_dir=config.run_dir,
        )
    except MisconfigurationException as error:
        devices = f"trainer.accelerator={config.trainer.accelerator} trainer.devices={config.trainer.devices}"
        raise UserError(f"no trainer for {devices} on this machine ({error}): choose trainer=cpu or auto") from error


def _build_module(config: DictConfig, task: Task, data: DataModule, network: nn.Module) -> TrainingModule:
    return task.training_module(
        network,
        data,
        loss=task.make_loss(instantiate(config.loss), instantiate(config.class_weights), data),
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        channels_last=config.channels_last,
        compile_network=config.compile,
    )


def _image_shape(data: DataModule) -> tuple[int, int, int]:
    return tuple(data.eval_loader("test").dataset[0]["image"].shape)


def _facts(
    trainer: pl.Trainer, network: nn.Module, input_shape: tuple[int, int, int], started: float
) -> dict[str, Any]:
    history = next(callback for callback in trainer.callbacks if isinstance(callback, History))
    return {
        "params": count_parameters(network),
        "macs": count_macs(network, input_shape),
        "macs_image_size": list(input_shape[-2:]),
        "epochs": trainer.current_epoch,
        "train_seconds": round(history.train_seconds, 3),
        "train_images_per_second": round(history.train_images / history.train_seconds, 3),
        "seconds_to_first_step": None if history.first_step is None else round(history.first_step - started, 3),
        "device": str(trainer.strategy.root_device),
        "precision": str(trainer.precision),
        "torch": torch.__version__,
    }
