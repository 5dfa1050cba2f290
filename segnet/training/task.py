"""The contract of a task. Its YAML in ``configs/task`` also names the score that chooses the best checkpoint."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from torch import Tensor, nn

from segnet.data import DataModule
from segnet.data.facts import DataFacts
from segnet.data.samples import Batch
from segnet.errors import UserError
from segnet.resampling import RESAMPLES
from segnet.training.score_table import ScoreTable
from segnet.training.setup import TrainingSetup

if TYPE_CHECKING:  # what only scores and predicts imports no Lightning
    from segnet.training.module import TrainingModule


class ImageCounts(Protocol):
    """Counts of each image of a split, from which its scores can be computed again."""

    def write(self, path: Path) -> None:
        """Write them, whole or not at all."""
        ...

    def to_bytes(self) -> bytes:
        """Return what :meth:`write` writes."""
        ...


@dataclass(frozen=True)
class SplitResult:
    """What a network, and what it is compared with, came to on one split.

    Attributes:
        scores: by the flat names of ``metrics.json``, such as "test/miou"; NaN for a score that does not exist.
        table: the same for a reader.
        details: further keys of ``evaluation.json``, such as the definition of the scores.
        image_counts: what belongs into ``scores/*.npz``; None where the task keeps nothing of single images.
        files: further files of an evaluation, by name.
    """

    scores: Mapping[str, float]
    table: ScoreTable
    details: Mapping[str, Any] = field(default_factory=dict)
    image_counts: ImageCounts | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def without_bar(batches: Iterable[Batch], number: int) -> Iterable[Batch]:
    """Yield batches and show nothing of it."""
    return batches


@dataclass(frozen=True)
class EvaluationRequest:
    """How a split is evaluated.

    Attributes:
        facts: what a page says of its making, by name: "run" (its title), "data", "checkpoint", "averaged" (how
            predictions were averaged, or nothing) and others.
        worst: how many of the worst images are shown.
        resamples: of the images, behind the intervals.
        track: shows how far it is: is given the batches and their number, and yields them.
    """

    facts: Mapping[str, str]
    worst: int = 6
    resamples: int = RESAMPLES
    track: Callable[[Iterable[Batch], int], Iterable[Batch]] = without_bar


def require_channels(facts: DataFacts, data: DataModule) -> None:
    """Require that a data set has as many channels as the one that a network was trained on.

    Raises:
        segnet.errors.UserError: it has not.
    """
    if facts.channels != data.channels:
        raise UserError(
            f"the run takes images of {facts.channels} channel{'' if facts.channels == 1 else 's'}, and data= has "
            f"{data.channels}: set data.channels={facts.channels}"
        )


Band: TypeAlias = tuple[int, Tensor]
"""The first row of a band of the network's output, and the band ``(N, K, rows, W)``, float."""
Forward: TypeAlias = Callable[[Tensor], Iterable[Band]]
"""Takes images ``(N, C, H, W)``, uint8 or floats in 0..1, to the network's output, in bands from top to bottom."""


class Prediction(Protocol):
    """What a network makes of one image."""

    def write(self, output: Path, name: str, kinds: Sequence[str], opacity: float) -> None:
        """Write files below an output folder, each whole or not at all.

        Args:
            output: the folder.
            name: of the image's files, with folders, ending in ``.png``.
            kinds: see :meth:`Task.kinds`.
            opacity: of what is laid over the image, 0..1.
        """
        ...


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

    def evaluate(self, network: nn.Module, data: DataModule, split: str, request: EvaluationRequest) -> SplitResult:
        """Score a network as :meth:`score` does, and say more of it where the task has more to say.

        Args:
            network: see :meth:`score`.
            data: of the run, or of another set that :meth:`check_facts` has passed.
            split: the split.
            request: see :class:`EvaluationRequest`.
        """
        ...

    def check_facts(self, facts: DataFacts, data: DataModule) -> None:
        """Find out whether a network can be scored on another data set.

        Args:
            facts: of the data that the network was trained on.
            data: of the other set.

        Raises:
            segnet.errors.UserError: it cannot be; the message says why.
        """
        ...

    def panel(self, network: nn.Module, data: DataModule, split: str) -> bytes:
        """Draw some samples of a split with what the network makes of them; return the picture as PNG."""
        ...

    def kinds(self, asked: Sequence[str] | None) -> Sequence[str]:
        """Return which kinds of files a prediction is written as: those asked for, or by default the task's own.

        Raises:
            segnet.errors.UserError: the task has no such kind.
        """
        ...

    def files(self, name: str, kinds: Sequence[str]) -> Sequence[Path]:
        """Name the files of one image's prediction, below the output folder; ``name`` ends in ``.png``."""
        ...

    def predict(
        self, forward: Forward, facts: DataFacts, images: Sequence[np.ndarray], probabilities: bool
    ) -> Sequence[Prediction]:
        """Predict images of one size.

        Args:
            forward: runs the network, in tiles where it must.
            facts: of the run's data.
            images: ``(H, W, C)``, uint8 or floats in 0..1.
            probabilities: keep the probability of each class too.
        """
        ...
