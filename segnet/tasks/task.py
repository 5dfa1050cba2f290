"""The contract of a task. Its YAML in ``configs/task`` also names the score that chooses the best checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from segnet.data import DataModule

if TYPE_CHECKING:  # what only scores and predicts imports no Lightning
    from segnet.training.module import TrainingModule


class Task(Protocol):
    """What training and the commands ask of a task."""

    def wrap(self, body: nn.Module) -> nn.Module:
        """Make the task's network from the encoder-decoder.

        Raises:
            segnet.errors.UserError: the two do not fit.
        """
        ...

    def input_shape(self, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape ``(C, h, w)`` of what the network takes for an image ``(C, H, W)`` of the data set."""
        ...

    def check(self, data: DataModule, world_size: int) -> None:
        """Find what is wrong with the data before a training starts.

        Raises:
            segnet.errors.UserError: something is; the message says what.
        """
        ...

    def check_split(self, data: DataModule, split: str) -> None:
        """Find what is wrong with a split before it is scored.

        Raises:
            segnet.errors.UserError: something is; the message says what.
        """
        ...

    def make_loss(
        self, loss: object, class_weights: Callable[[Tensor], Tensor | None], data: DataModule
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Finish what ``configs/loss`` and ``configs/class_weights`` name.

        Raises:
            segnet.errors.UserError: it is another task's loss.
        """
        ...

    def training_module(
        self,
        network: nn.Module,
        data: DataModule,
        loss: Callable[[Tensor, Tensor], Tensor],
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler],
        channels_last: bool,
        compile_network: bool,
    ) -> "TrainingModule":
        """Make the Lightning module."""
        ...

    def final_scores(self, network: nn.Module, data: DataModule, run_dir: Path) -> dict[str, Any]:
        """Score on the validation and test splits and print the table; return keys of ``metrics.json``.

        The run folder gets the panel and, where the task has them, the scores of each image.
        """
        ...

    def evaluate(self, network: nn.Module, data: DataModule, split: str, name: str, run_dir: Path) -> dict[str, Any]:
        """Score on one split and print the table, its column called ``name``; return keys of ``evaluation.json``.

        The folder gets, where the task has them, the scores of each image.
        """
        ...

    def pictures(
        self, network: nn.Module, data: DataModule, image: np.ndarray, opacity: float
    ) -> dict[str, np.ndarray]:
        """Predict one image.

        Args:
            network: in evaluation mode.
            data: the data module of the run.
            image: ``(H, W, C)`` uint8.
            opacity: of what is laid over the image, 0..1.

        Returns:
            Pictures ``(h, w)`` or ``(h, w, 3)`` uint8, by the folder that each belongs to.
        """
        ...
