"""What a data set suggests for a training on it: crop, scale and batch that fit a memory budget."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from segnet.analysis.cost import activation_memory
from segnet.description.measure import Split

PROBE = 64
STEP = 32
"""Crops that are smaller than the images are multiples of so many pixels."""
WANTED_BATCH, LARGEST_BATCH = 8, 32
BYTES_OF_A_PARAMETER = 16
"""Value, gradient, and the two moments of AdamW, in float32."""
BACKWARD = 1.3
"""Memory of a training step over what its forward pass keeps: the backward pass needs more for a moment."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Attributes:
        scale: the network sees images resized by it.
        crop: height and width of a training sample, at that scale.
        batch_size: samples in a batch.
        gib: memory that a training step takes, as calculated.
        reasons: why, a sentence each.
    """

    scale: float
    crop: tuple[int, int]
    batch_size: int
    gib: float
    reasons: tuple[str, ...]

    def overrides(self) -> list[str]:
        """Return the settings as they are typed."""
        height, width = self.crop
        return [
            f"data.scale={self.scale:g}",
            f"data.augmentation.crop=[{height},{width}]",
            f"data.batch_size={self.batch_size}",
        ]


def pixel_bytes(network: nn.Module, channels: int) -> float:
    """Bytes that a training step keeps for each pixel of its crops, in float32."""
    probe = torch.zeros(2, channels, PROBE, PROBE)
    kept = activation_memory(network, probe).values()
    return BACKWARD * sum(map(sum, kept)) / (2 * PROBE**2)


def suggest(split: Split, network: nn.Module, channels: int, budget_gib: float) -> Recipe:
    """Suggest a recipe for the training split.

    The median image is taken whole where a batch of 8 of them (or of all there are, if fewer) fits the budget. Else it
    is cropped, down to half of its sides, and beyond that made smaller.

    Args:
        split: the training split.
        network: that is to be trained, on the CPU.
        channels: of the images.
        budget_gib: memory of a training step.
    """
    per_pixel = pixel_bytes(network, channels)
    fixed = BYTES_OF_A_PARAMETER * sum(parameter.numel() for parameter in network.parameters())
    pixels = max(0.0, budget_gib * 2**30 - fixed) / per_pixel
    batch = min(WANTED_BATCH, split.total)
    height, width = np.median(split.sizes, axis=0).round().astype(int).tolist()
    area = max(STEP**2, pixels / max(1, batch))
    scale, crop = _fit(height, width, area)
    batch_size = max(1, min(LARGEST_BATCH, split.total, int(pixels // (crop[0] * crop[1]))))
    gib = (fixed + per_pixel * batch_size * crop[0] * crop[1]) / 2**30
    reasons = [f"the median image has {width}x{height} pixels, and a training step keeps {per_pixel:.0f} bytes a pixel"]
    if scale == 1 and crop == (height, width):
        reasons.append(f"{batch} whole images fit {budget_gib:g} GiB")
    elif scale == 1:
        reasons.append(f"{batch} whole images do not fit {budget_gib:g} GiB, and crops of {crop[1]}x{crop[0]} do")
    else:
        reasons.append(
            f"at full size a crop that fits {budget_gib:g} GiB would show less than half of the image's sides, so the "
            f"images are made smaller"
        )
    if gib > budget_gib:
        reasons.append(f"not even this fits: the step takes about {gib:.1f} GiB; choose a smaller network")
    return Recipe(scale, crop, batch_size, gib, tuple(reasons))


def _fit(height: int, width: int, area: float) -> tuple[float, tuple[int, int]]:
    """Choose scale and crop such that the crop has at most ``area`` pixels."""
    if height * width <= area:
        return 1.0, (height, width)
    shrink = math.sqrt(area / (height * width))  # of the sides
    scale = 1.0 if shrink >= 0.5 else max(1 / 8, math.floor(16 * shrink) / 8)
    sides = (height * scale, width * scale)
    shrink = min(1.0, math.sqrt(area / (sides[0] * sides[1])))
    rows, columns = (max(STEP, int(side * shrink) // STEP * STEP) for side in sides)
    return scale, (rows, columns)
