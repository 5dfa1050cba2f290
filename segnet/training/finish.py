"""What a finished training says: its scores, its pictures, and what it took."""

from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn

from segnet.analysis import count_macs, count_parameters
from segnet.data import DataModule
from segnet.run_folder import PREDICTIONS, RunFacts, scores_file, write_whole
from segnet.training.callbacks import History
from segnet.training.score_table import ScoreTable
from segnet.training.task import Task


def score_both_splits(
    task: Task, network: nn.Module, data: DataModule, run_dir: Path, show_table: Callable[[ScoreTable], None]
) -> dict[str, float]:
    """Score the validation and test splits; write the panel and what was counted for each image."""
    results = {
        "val": task.score(network, data, "val"),
        "test": task.score(network, data, "test", with_baseline=True),
    }
    write_whole(run_dir / PREDICTIONS, task.panel(network, data, "test"))
    show_table(results["test"].table)
    for split, result in results.items():
        if result.image_counts is not None:
            result.image_counts.write(scores_file(run_dir, split))
    return {**results["val"].scores, **results["test"].scores}


def image_shape(data: DataModule) -> tuple[int, int, int]:
    """Return the channels, height and width of the first test image, as the network sees it."""
    channels, height, width = data.eval_loader("test").dataset[0]["image"].shape
    return channels, height, width


def state_facts(
    trainer: pl.Trainer, history: History, network: nn.Module, input_shape: tuple[int, int, int], started: float
) -> RunFacts:
    """Return size, cost and speed of a training; ``started`` is when it began, on the monotonic clock."""
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
