"""Scores of a split: of a network, and of bicubic interpolation, which it must beat."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segnet.data import DataModule
from segnet.data.samples import as_float
from segnet.metrics import ImageQuality, quality_sums
from segnet.tasks.super_resolution.low_resolution import low_resolution_pair
from segnet.tasks.super_resolution.network import enlarge


@torch.inference_mode()
def score_enlargement(network: nn.Module, data: DataModule, split: str, factor: int) -> ImageQuality:
    """Score a super-resolution network on "train", "val" or "test" without augmentation."""
    network.eval()
    return _quality(network, next(network.parameters()).device, data, split, factor)


def score_bicubic(data: DataModule, split: str, factor: int) -> ImageQuality:
    """Score bicubic interpolation, on the CPU: the least that a super-resolution network must beat."""
    return _quality(lambda images: enlarge(images, factor), torch.device("cpu"), data, split, factor)


def _quality(
    enlarging: Callable[[Tensor], Tensor], device: torch.device, data: DataModule, split: str, factor: int
) -> ImageQuality:
    sums = torch.zeros(3, dtype=torch.float64)
    for batch in data.eval_loader(split):
        small, target = low_resolution_pair(as_float(batch["image"].to(device)), factor)
        sums += quality_sums(enlarging(small), target)
    return ImageQuality.from_sums(sums)
