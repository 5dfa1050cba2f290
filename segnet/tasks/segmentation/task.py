"""Semantic segmentation: a class for each pixel."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from segnet.data import DataModule
from segnet.data.facts import DataFacts
from segnet.data.labels import Labels
from segnet.data.verification import Problem, verify_once
from segnet.errors import UserError
from segnet.metrics import BOUNDARY_DEFINITION, MIOU_DEFINITION, SMALL_OBJECT_DEFINITION, scores
from segnet.models.network import SegmentationNetwork
from segnet.tasks.segmentation.label_logits import LabelLogits
from segnet.tasks.segmentation.label_scores import with_labels
from segnet.tasks.segmentation.one_logit import OneLogit
from segnet.tasks.segmentation.panel import draw_panel
from segnet.tasks.segmentation.prediction import classify
from segnet.tasks.segmentation.result import LABELS, SegmentationResult, check_kinds, files_of
from segnet.tasks.segmentation.scoring import flat_scores, score_images, score_lookup
from segnet.tasks.segmentation.table import score_table
from segnet.training.processes import is_first_process
from segnet.training.setup import TrainingSetup
from segnet.training.task import EvaluationRequest, Forward, SplitResult, require_channels

if TYPE_CHECKING:
    from segnet.tasks.segmentation.auxiliary import AuxiliaryLoss
    from segnet.tasks.segmentation.module import SegmentationModule

log = logging.getLogger(__name__)


class Segmentation:
    """See :class:`segnet.training.task.Task`.

    Args:
        auxiliary: factory of a further training loss, see :class:`segnet.tasks.segmentation.auxiliary.AuxiliaryLoss`,
            called with the encoder, the number of classes, the loss and the seed; None: none.
        one_logit: two classes are told apart by one output of the network, see
            :class:`segnet.tasks.segmentation.one_logit.OneLogit`.
        labels: of which several may hold for a pixel, each told by one output of the network, see
            :class:`segnet.tasks.segmentation.label_logits.LabelLogits`; None: each pixel has one class.
    """

    def __init__(
        self,
        auxiliary: "Callable[..., AuxiliaryLoss] | None" = None,
        one_logit: bool = False,
        labels: Labels | None = None,
    ) -> None:
        self.auxiliary, self.one_logit, self.labels = auxiliary, one_logit, labels

    def wrap(self, body: nn.Module) -> nn.Module:
        """Take the encoder-decoder as it is, put a zero before its one logit, or add up the logits of labels."""
        if self.labels is not None:
            return LabelLogits(cast(SegmentationNetwork, body), self.labels)
        return OneLogit(cast(SegmentationNetwork, body)) if self.one_logit else body

    def input_shape(self, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Feed images as they are."""
        return image_shape

    def check(self, data: DataModule, world_size: int) -> None:
        """Verify the data set, check labels and batch size, and say which classes cannot be learned.

        Raises:
            UserError: one of them is not usable, or there are more than the two classes that one logit tells apart.
        """
        if self.one_logit and len(data.classes) != 2:
            raise UserError(
                f"task=segmentation_binary tells apart two classes, and data= has {len(data.classes)}: choose "
                f"task=segmentation, or merge classes into two"
            )
        data.check_batch_size(world_size)
        if data.verify:
            warn_of(verify_once(data))
        data.check(world_size)
        absent = data.absent_classes()
        if absent and is_first_process():
            log.warning(
                "the training split has no pixel of %s: %s cannot be learned, and score%s 0 in val and test",
                ", ".join(absent),
                *(("it", "s") if len(absent) == 1 else ("they", "")),
            )
        if not data.has_labelled_pixels("test") and is_first_process():
            log.warning("the test split has no labelled pixel: there are no test scores")

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

    def training_module(self, setup: TrainingSetup, data: DataModule) -> "SegmentationModule":
        """Make the Lightning module."""
        from segnet.tasks.segmentation.module import SegmentationModule

        auxiliary = None
        if self.auxiliary is not None:
            auxiliary = self.auxiliary(setup.network.encoder, len(data.classes), setup.loss, data.seed)
        return SegmentationModule(setup, data.classes, data.ignore_index, auxiliary, self.labels)

    def score(
        self, network: nn.Module, data: DataModule, split: str, name: str = "network", with_baseline: bool = False
    ) -> SplitResult:
        """Score the network, and on request the colour lookup."""
        images = score_images(network, data, split)
        columns = {name: scores(torch.from_numpy(images.confusions.sum(0)), data.ignore_index)}
        flat = flat_scores(columns[name], data.classes) | images.boundary_scores()
        flat = {f"{split}/{key}": value for key, value in flat.items()}
        if with_baseline:
            columns["colour lookup"] = lookup = score_lookup(data, split)
            flat |= {f"lookup/{split}/{key}": value for key, value in flat_scores(lookup, data.classes).items()}
        result = SplitResult(
            scores=flat,
            table=score_table(data.classes, columns, split),
            details={
                "definition": "; ".join((MIOU_DEFINITION, BOUNDARY_DEFINITION, SMALL_OBJECT_DEFINITION)),
                "classes": data.classes,
                "confusion": images.confusions.sum(0).tolist(),
            },
            image_counts=images,
        )
        return with_labels(result, self.labels, split)

    def evaluate(self, network: nn.Module, data: DataModule, split: str, request: EvaluationRequest) -> SplitResult:
        """Score the network with intervals and calibration, class by class and image by image, and render a page."""
        from segnet.tasks.segmentation.evaluation.result import evaluate  # late: a training has no use for it

        return with_labels(evaluate(network, data, split, request), self.labels, split)

    def check_facts(self, facts: DataFacts, data: DataModule) -> None:
        """Require the same classes in the same order, and as many channels."""
        require_channels(facts, data)
        if list(facts.classes) != data.classes:
            raise UserError(
                f"the run tells apart {', '.join(facts.classes)}, and data= has {', '.join(data.classes)}: give a data "
                f"set with the same classes in the same order"
            )

    def panel(self, network: nn.Module, data: DataModule, split: str) -> bytes:
        """Draw the worst, the median and the best image with label, prediction and errors."""
        return draw_panel(network, data, split)

    def kinds(self, asked: Sequence[str] | None) -> Sequence[str]:
        """Check the kinds of files that are asked for; by default index, colour and overlay."""
        return check_kinds(asked, self.labels is not None)

    def files(self, name: str, kinds: Sequence[str]) -> Sequence[Path]:
        """Name a file of each kind, and one of each label."""
        of_labels = {} if self.labels is None or LABELS not in kinds else self.labels.files(name)
        return [*files_of(name, kinds).values(), *of_labels.values()]

    def predict(
        self, forward: Forward, facts: DataFacts, images: Sequence[np.ndarray], probabilities: bool
    ) -> Sequence[SegmentationResult]:
        """Predict the class of each pixel."""
        masks, found = classify(forward, images, facts.scale, probabilities)
        return [
            SegmentationResult(
                image, masks[place], None if found is None else found[place], facts.classes, facts.colours, self.labels
            )
            for place, image in enumerate(images)
        ]


def warn_of(problems: Sequence[Problem]) -> None:
    """Say of what kinds the problems of a data set are."""
    if problems and is_first_process():
        kinds = ", ".join(dict.fromkeys(problem.kind for problem in problems))
        log.warning(
            "the data set has %d warning%s: %s; segnet-data verify, with the same data=..., lists them",
            len(problems),
            "" if len(problems) == 1 else "s",
            kinds,
        )
