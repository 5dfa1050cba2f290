"""The contract of a task. Its YAML in ``configs/task`` also names the score that chooses the best checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import Tensor, nn

from segnet.data import DataModule
from segnet.training.score_table import ScoreTable
from segnet.training.setup import TrainingSetup

if TYPE_CHECKING:  # what only scores and predicts imports no Lightning
    from segnet.training.module import TrainingModule


class ImageCounts(Protocol):
    """Counts of each image of a split, from which its scores can be computed again."""

    def write(self, path: Path) -> None:
        """Write them, whole or not at all."""
        ...


@dataclass(frozen=True)
class SplitResult:
    """What a network, and what it is compared with, came to on one split.

    Attributes:
        scores: by the flat names of ``metrics.json``, such as "test/miou"; NaN for a score that does not exist.
        table: the same for a reader.
        details: further keys of ``evaluation.json``, such as the definition of the scores.
        image_counts: what belongs into ``scores/*.npz``; None where the task keeps nothing of single images.
    """

    scores: Mapping[str, float]
    table: ScoreTable
    details: Mapping[str, Any] = field(default_factory=dict)
    image_counts: ImageCounts | None = None


class Task(Protocol):
    """What training and the commands ask of a task. It returns scores and pictures; others print and write them."""

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

    def training_module(self, setup: TrainingSetup, data: DataModule) -> "TrainingModule":
        """Make the Lightning module."""
        ...

    def score(
        self, network: nn.Module, data: DataModule, split: str, name: str = "network", with_baseline: bool = False
    ) -> SplitResult:
        """Score a network on "train", "val" or "test" without augmentation, in float32.

        Args:
            network: what was trained; left in evaluation mode.
            data: the data module of the run.
            split: the split.
            name: of the network's column in the table.
            with_baseline: score what the network must beat as well, even where that takes a pass over the data.
        """
        ...

    def panel(self, network: nn.Module, data: DataModule, split: str) -> bytes:
        """Draw some samples of a split with what the network makes of them; return the picture as PNG."""
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
