"""From a network and a split to all that an evaluation says."""

import math
from typing import Any

import numpy as np
from torch import nn

from segnet.data import DataModule
from segnet.metrics.calibration import UNITS
from segnet.resampling import CONFIDENCE
from segnet.run_folder import EVALUATION_IMAGES, EVALUATION_PAGE
from segnet.tasks.segmentation.evaluation.collection import collect, look_at, worst_images
from segnet.tasks.segmentation.evaluation.estimates import Estimates, estimate_scores
from segnet.tasks.segmentation.evaluation.page import render_page
from segnet.tasks.segmentation.evaluation.words import DEFINITIONS, images_csv, terminal_table
from segnet.training.task import EvaluationRequest, SplitResult


def evaluate(network: nn.Module, data: DataModule, split: str, request: EvaluationRequest) -> SplitResult:
    """Evaluate; see :meth:`segnet.training.task.Task.evaluate`.

    The scores that a training has too are the same to the digit.
    """
    collected = collect(network, data, split, request.track)
    estimates = estimate_scores(collected, request.resamples)
    looks = look_at(network, data, split, worst_images(collected, request.worst))
    return SplitResult(
        scores={f"{split}/{key}": estimate.value for key, estimate in estimates.scores.items()},
        table=terminal_table(estimates, data.classes, split),
        details={
            "intervals": _intervals(estimates, split),
            "confidence": CONFIDENCE,
            "resamples": request.resamples,
            "images": len(collected.images.names),
            "groups": estimates.groups,
            "block_length": estimates.block_length,
            "calibration": _calibration(collected.calibration.sum(0)),
            "worst": [str(collected.images.names[look.place]) for look in looks],
            "definition": "; ".join(DEFINITIONS),
            "classes": data.classes,
            "confusion": collected.images.confusions.sum(0).tolist(),
        },
        image_counts=collected.images,
        files={
            EVALUATION_IMAGES: images_csv(collected),
            EVALUATION_PAGE: render_page(collected, estimates, looks, data, split, request.facts),
        },
    )


def _intervals(estimates: Estimates, split: str) -> dict[str, list[float] | None]:
    return {
        f"{split}/{key}": None if math.isnan(estimate.interval.low) else list(estimate.interval)
        for key, estimate in estimates.scores.items()
    }


def _calibration(counts: np.ndarray) -> dict[str, Any]:
    """Set out the bins of confidence: pixels, and mean confidence and share of right pixels, None in an empty bin."""
    pixels, right, confidence = counts.tolist()

    def means(totals: list[int], unit: int) -> list[float | None]:
        return [total / unit / number if number else None for total, number in zip(totals, pixels, strict=True)]

    return {"pixels": pixels, "confidence": means(confidence, UNITS), "right": means(right, 1)}
