"""Semantic segmentation: a class for each pixel."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from segnet.data import DataModule
from segnet.errors import UserError
from segnet.evaluation import flat_scores, score_images, score_lookup
from segnet.inference import predict_image
from segnet.metrics import (
    BOUNDARY_DEFINITION,
    MIOU_DEFINITION,
    SMALL_OBJECT_DEFINITION,
    ImageScores,
    Scores,
    scores,
)
from segnet.reporting.panel import save_predictions
from segnet.reporting.pictures import colourise, overlay
from segnet.reporting.tables import print_scores
from segnet.run_folder import EVALUATION_SCORES, PREDICTIONS, scores_file

if TYPE_CHECKING:
    from segnet.training.task import SegmentationTask


class Segmentation:
    """See :class:`segnet.tasks.Task`."""

    def wrap(self, body: nn.Module) -> nn.Module:
        """Take the encoder-decoder as it is."""
        return body

    def input_shape(self, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Feed images as they are."""
        return image_shape

    def check(self, data: DataModule, world_size: int) -> None:
        """Check the labels and the batch size."""
        data.check(world_size)

    def check_split(self, data: DataModule, split: str) -> None:
        """Check the labels."""
        data.pixel_counts(split)

    def make_loss(
        self, loss: Callable[..., nn.Module], class_weights: Callable[[Tensor], Tensor | None], data: DataModule
    ) -> nn.Module:
        """Tell the loss the ignore index and the class weights.

        Raises:
            UserError: the loss compares images.
        """
        if isinstance(loss, nn.Module):
            raise UserError(
                f"the loss {type(loss).__name__} compares images, and task=segmentation learns labels: choose "
                f"loss=cross_entropy, or task=super_resolution"
            )
        weights = class_weights(data.pixel_counts("train"))
        return loss(ignore_index=data.ignore_index, class_weights=weights)

    def training_module(
        self,
        network: nn.Module,
        data: DataModule,
        loss: nn.Module,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler],
        channels_last: bool,
        compile_network: bool,
    ) -> "SegmentationTask":
        """Make the Lightning module."""
        from segnet.training.task import SegmentationTask

        return SegmentationTask(
            network,
            loss,
            optimizer,
            scheduler,
            data.classes,
            data.ignore_index,
            data.split("train").ids,
            channels_last,
            compile_network,
        )

    def final_scores(self, network: nn.Module, data: DataModule, run_dir: Path) -> dict[str, Any]:
        """Score the network and the colour lookup."""
        images = {split: score_images(network, data, split) for split in ("val", "test")}
        results = {split: _split_scores(found) for split, found in images.items()}
        lookup_scores = score_lookup(data, "test")
        save_predictions(run_dir / PREDICTIONS, network, data, "test")
        print_scores(data.classes, {"network": results["test"], "colour lookup": lookup_scores}, "test")
        flat = {f"lookup/test/{name}": value for name, value in flat_scores(lookup_scores, data.classes).items()}
        for split, found in images.items():
            found.write(scores_file(run_dir, split))
            flat |= _flat(split, results[split], found, data.classes)
        return flat

    def evaluate(self, network: nn.Module, data: DataModule, split: str, name: str, run_dir: Path) -> dict[str, Any]:
        """Score one split."""
        images = score_images(network, data, split)
        result = _split_scores(images)
        print_scores(data.classes, {name: result}, split)
        images.write(run_dir / EVALUATION_SCORES)
        return {
            **_flat(split, result, images, data.classes),
            "definition": "; ".join((MIOU_DEFINITION, BOUNDARY_DEFINITION, SMALL_OBJECT_DEFINITION)),
            "classes": data.classes,
            "confusion": images.confusions.sum(0).tolist(),
        }

    def pictures(
        self, network: nn.Module, data: DataModule, image: np.ndarray, opacity: float
    ) -> dict[str, np.ndarray]:
        """Predict classes: their indices, their colours, and these laid over the image."""
        classes = predict_image(network, image, data.scale)
        colours = colourise(classes, data.colours)
        return {"index": classes, "colour": colours, "overlay": overlay(image, colours, opacity)}


def _split_scores(images: ImageScores) -> Scores:
    return scores(torch.from_numpy(images.confusions.sum(0)))


def _flat(split: str, result: Scores, images: ImageScores, classes: list[str]) -> dict[str, float]:
    values = flat_scores(result, classes) | images.boundary_scores()
    return {f"{split}/{name}": value for name, value in values.items()}
