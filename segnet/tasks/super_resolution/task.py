"""Super-resolution: a larger image from a smaller one, scored against bicubic interpolation."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from segnet.data import DataModule
from segnet.data.facts import DataFacts
from segnet.errors import UserError
from segnet.metrics import IMAGE_QUALITY_DEFINITION
from segnet.models.network import SegmentationNetwork
from segnet.tasks.super_resolution.network import SuperResolutionNetwork
from segnet.tasks.super_resolution.panel import draw_panel
from segnet.tasks.super_resolution.prediction import enlarge_images
from segnet.tasks.super_resolution.result import Enlargement, check_kinds
from segnet.tasks.super_resolution.scoring import score_bicubic, score_enlargement
from segnet.tasks.super_resolution.table import quality_table
from segnet.training.setup import TrainingSetup
from segnet.training.task import EvaluationRequest, Forward, SplitResult, require_channels

if TYPE_CHECKING:
    from segnet.tasks.super_resolution.module import SuperResolutionModule

log = logging.getLogger(__name__)


class SuperResolution:
    """See :class:`segnet.training.task.Task`; the labels of the data set are not used.

    Args:
        factor: how many times larger the result is along each axis, 2 or 4.
    """

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def wrap(self, body: nn.Module) -> nn.Module:
        """Have the encoder-decoder make what bicubic interpolation leaves out."""
        if not isinstance(body, SegmentationNetwork):
            raise UserError(
                f"task=super_resolution wraps a SegmentationNetwork, and model._target_ names a {type(body).__name__}: "
                f"choose another model"
            )
        return SuperResolutionNetwork(body, self.factor)

    def input_shape(self, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Feed images that are smaller by the factor."""
        channels, height, width = image_shape
        return channels, height // self.factor, width // self.factor

    def check(self, data: DataModule, world_size: int) -> None:
        """Check the batch size; no label is read."""
        data.check_batch_size(world_size)

    def check_split(self, data: DataModule, split: str) -> None:
        """Check that there is such a split."""
        data.split(split)

    def make_loss(
        self, loss: nn.Module, class_weights: Callable[[Tensor], Tensor | None], data: DataModule
    ) -> nn.Module:
        """Take the loss as it is.

        Raises:
            UserError: the loss is one of labels.
        """
        if not isinstance(loss, nn.Module):
            raise UserError("this loss learns labels, and task=super_resolution learns images: choose loss=l1")
        if class_weights(torch.ones(1, 2, dtype=torch.int64)) is not None:
            log.warning("class_weights is left out: task=super_resolution has no classes")
        return loss

    def training_module(self, setup: TrainingSetup, data: DataModule) -> "SuperResolutionModule":
        """Make the Lightning module."""
        from segnet.tasks.super_resolution.module import SuperResolutionModule

        return SuperResolutionModule(setup, self.factor)

    def score(
        self, network: nn.Module, data: DataModule, split: str, name: str = "network", with_baseline: bool = False
    ) -> SplitResult:
        """Score the network, and always bicubic interpolation, without which no PSNR says anything."""
        enlarged = score_enlargement(network, data, split, self.factor)
        bicubic = score_bicubic(data, split, self.factor)
        return SplitResult(
            scores={
                **{f"{split}/{key}": value for key, value in enlarged._asdict().items()},
                **{f"bicubic/{split}/{key}": value for key, value in bicubic._asdict().items()},
            },
            table=quality_table({name: enlarged, "bicubic": bicubic}, split, self.factor),
            details={"factor": self.factor, "definition": IMAGE_QUALITY_DEFINITION},
        )

    def evaluate(self, network: nn.Module, data: DataModule, split: str, request: EvaluationRequest) -> SplitResult:
        """Score as ever: PSNR and SSIM are all that there is."""
        return self.score(network, data, split, request.facts["checkpoint"])

    def check_facts(self, facts: DataFacts, data: DataModule) -> None:
        """Require as many channels; classes do not matter."""
        require_channels(facts, data)

    def panel(self, network: nn.Module, data: DataModule, split: str) -> bytes:
        """Draw input, bicubic interpolation, result, target and errors side by side."""
        return draw_panel(network, data, split, self.factor)

    def kinds(self, asked: Sequence[str] | None) -> Sequence[str]:
        """Refuse a choice: there is one kind, the enlarged image."""
        return check_kinds(asked)

    def files(self, name: str, kinds: Sequence[str]) -> Sequence[Path]:
        """Name the enlarged image, which lies in the output folder itself."""
        return [Path(name)]

    def predict(
        self, forward: Forward, facts: DataFacts, images: Sequence[np.ndarray], probabilities: bool
    ) -> Sequence[Enlargement]:
        """Enlarge the images; there are no probabilities."""
        return enlarge_images(forward, images, self.factor)
