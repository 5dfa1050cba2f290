"""Super-resolution: a larger image from a smaller one, scored against bicubic interpolation."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from segnet.data import DataModule
from segnet.errors import UserError
from segnet.evaluation import score_bicubic, score_enlargement
from segnet.inference import enlarge_image
from segnet.metrics import IMAGE_QUALITY_DEFINITION, ImageQuality
from segnet.models import SuperResolutionNetwork
from segnet.reporting.enlargements import print_quality, save_enlargements
from segnet.run_folder import PREDICTIONS

if TYPE_CHECKING:
    from segnet.training.super_resolution import SuperResolutionTask

log = logging.getLogger(__name__)


class SuperResolution:
    """See :class:`segnet.tasks.Task`; the labels of the data set are not used.

    Args:
        factor: how many times larger the result is along each axis, 2 or 4.
    """

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def wrap(self, body: nn.Module) -> nn.Module:
        """Have the encoder-decoder make what bicubic interpolation leaves out."""
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

    def training_module(
        self,
        network: nn.Module,
        data: DataModule,
        loss: nn.Module,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler],
        channels_last: bool,
        compile_network: bool,
    ) -> "SuperResolutionTask":
        """Make the Lightning module."""
        from segnet.training.super_resolution import SuperResolutionTask

        return SuperResolutionTask(
            network,
            loss,
            optimizer,
            scheduler,
            self.factor,
            data.split("train").ids,
            channels_last,
            compile_network,
        )

    def final_scores(self, network: nn.Module, data: DataModule, run_dir: Path) -> dict[str, Any]:
        """Score the network and bicubic interpolation."""
        results = {split: self._score(network, data, split) for split in ("val", "test")}
        save_enlargements(run_dir / PREDICTIONS, network, data, "test", self.factor)
        print_quality(results["test"], "test", self.factor)
        return _flat(results["val"], "val") | _flat(results["test"], "test")

    def evaluate(self, network: nn.Module, data: DataModule, split: str, name: str, run_dir: Path) -> dict[str, Any]:
        """Score the network and bicubic interpolation on one split."""
        result = self._score(network, data, split)
        print_quality({name: result["network"], "bicubic": result["bicubic"]}, split, self.factor)
        return {**_flat(result, split), "factor": self.factor, "definition": IMAGE_QUALITY_DEFINITION}

    def _score(self, network: nn.Module, data: DataModule, split: str) -> dict[str, ImageQuality]:
        return {
            "network": score_enlargement(network, data, split, self.factor),
            "bicubic": score_bicubic(data, split, self.factor),
        }

    def pictures(
        self, network: nn.Module, data: DataModule, image: np.ndarray, opacity: float
    ) -> dict[str, np.ndarray]:
        """Enlarge the image; it lies in the output folder itself."""
        return {"": enlarge_image(network, image)}


def _flat(result: dict[str, ImageQuality], split: str) -> dict[str, float]:
    network = {f"{split}/{name}": value for name, value in result["network"]._asdict().items()}
    return network | {f"bicubic/{split}/{name}": value for name, value in result["bicubic"]._asdict().items()}
