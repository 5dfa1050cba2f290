"""A whole training: from a config to a run folder."""

import contextlib
import logging
import os
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

from segnet.analysis import count_macs, count_parameters
from segnet.build import data_from_config, find_user_error, instantiate, load, network_from_config
from segnet.data import DataModule
from segnet.errors import UserError
from segnet.evaluation import flat_scores, score_confusion, score_lookup
from segnet.metrics import scores
from segnet.reporting.panel import save_predictions
from segnet.reporting.tables import print_scores
from segnet.run_folder import CONFIG, LAST_CHECKPOINT, METRICS, PREDICTIONS, write_json, write_whole
from segnet.training.callbacks import History
from segnet.training.precision import choose_precision, device_type
from segnet.training.task import SegmentationTask

log = logging.getLogger(__name__)

LIGHTNING_HINTS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    "Checkpoint directory .* exists and is not empty.*",  # a run that goes on
    ".*isinstance.treespec, LeafSpec.*",
)


def train(config: DictConfig, run_dir: Path, resume: bool = False) -> dict[str, Any]:
    """Train, score the best checkpoint on the test split, and fill the run folder.

    Args:
        config: as composed from ``configs/train.yaml``.
        run_dir: where to; ``config.run_dir`` is set to it.
        resume: go on from the folder's last checkpoint, if it has one.

    Returns:
        The content of ``metrics.json``.

    Raises:
        UserError: the folder holds a run and ``resume`` is false; or something in the config or the data cannot
            work, and ``metrics.json`` then has ``status: failed``.
    """
    if _is_first_process() and not resume and (run_dir / CONFIG).exists():
        raise UserError(f"{run_dir} holds a run already: go on with it by resume={run_dir}, or name another run_dir")
    config.run_dir = str(run_dir)
    metrics: dict[str, Any] = {"status": "failed", "seed": config.seed}
    try:
        with _without_hints():
            metrics |= _train(config, run_dir, resume)
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
    with warnings.catch_warnings():
        for message in LIGHTNING_HINTS:
            warnings.filterwarnings("ignore", message)
        yield
    logger.setLevel(level)


def _is_first_process() -> bool:
    """Lightning starts the other processes of a training with this variable set."""
    return int(os.environ.get("LOCAL_RANK", 0)) == 0 and int(os.environ.get("NODE_RANK", 0)) == 0


def _train(config: DictConfig, run_dir: Path, resume: bool) -> dict[str, Any]:
    data = data_from_config(config)
    callbacks = _optional_parts("callbacks", config.callbacks)
    trainer = _build_trainer(config, callbacks)
    if trainer.world_size > 1 and HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        # The further processes would be started with the whole sweep's arguments.
        raise UserError(
            f"a sweep cannot share each run among {trainer.world_size} processes: leave out -m and call one training "
            f"after another, or set trainer.devices=1"
        )
    data.check(trainer.world_size)
    network = network_from_config(config)
    task = _build_task(config, data, network)
    if trainer.is_global_zero:
        write_whole(run_dir / CONFIG, OmegaConf.to_yaml(config, resolve=True))
        log.info(
            "training on %d images: %s parameters, %s, %s",
            len(data.split("train").ids),
            f"{count_parameters(network):,}",
            trainer.strategy.root_device,
            trainer.precision,
        )
    last = run_dir / LAST_CHECKPOINT
    trainer.fit(
        task,
        data.train_loader(trainer.global_rank, trainer.world_size),
        data.eval_loader("val", trainer.global_rank, trainer.world_size),
        ckpt_path=str(last) if resume and last.is_file() else None,
        weights_only=True,
    )
    if not trainer.is_global_zero:
        return {}
    # As anyone would load it later, so that segnet-evaluate repeats these scores to the last digit.
    network = load(run_dir).to(trainer.strategy.root_device)
    return _facts(trainer, network, data) | _final_scores(network, data, run_dir)


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


def _build_task(config: DictConfig, data: DataModule, network: nn.Module) -> SegmentationTask:
    weights = instantiate(config.class_weights)(data.pixel_counts("train"))
    return SegmentationTask(
        network,
        instantiate(config.loss)(ignore_index=data.ignore_index, class_weights=weights),
        instantiate(config.optimizer),
        instantiate(config.scheduler),
        data.classes,
        data.ignore_index,
        data.split("train").ids,
        channels_last=config.channels_last,
        compile_network=config.compile,
    )


def _facts(trainer: pl.Trainer, network: nn.Module, data: DataModule) -> dict[str, Any]:
    history = next(callback for callback in trainer.callbacks if isinstance(callback, History))
    image = data.eval_loader("test").dataset[0]["image"]
    return {
        "params": count_parameters(network),
        "macs": count_macs(network, tuple(image.shape)),
        "macs_image_size": list(image.shape[-2:]),
        "epochs": trainer.current_epoch,
        "train_seconds": round(history.train_seconds, 3),
        "train_images_per_second": round(history.train_images / history.train_seconds, 3),
        "device": str(trainer.strategy.root_device),
        "precision": str(trainer.precision),
        "torch": torch.__version__,
    }


def _final_scores(network: nn.Module, data: DataModule, run_dir: Path) -> dict[str, Any]:
    """Score the network on validation and test splits, print the table and draw the panel."""
    network_scores = {split: scores(score_confusion(network, data, split)) for split in ("val", "test")}
    lookup_scores = score_lookup(data, "test")
    save_predictions(run_dir / PREDICTIONS, network, data, "test")
    print_scores(data.classes, {"network": network_scores["test"], "colour lookup": lookup_scores}, "test")
    flat = {f"lookup/test/{name}": value for name, value in flat_scores(lookup_scores, data.classes).items()}
    for split, result in network_scores.items():
        flat |= {f"{split}/{name}": value for name, value in flat_scores(result, data.classes).items()}
    return flat
