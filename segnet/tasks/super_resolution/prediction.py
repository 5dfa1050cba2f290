"""Enlarging images, without Lightning."""

from collections.abc import Sequence

import numpy as np
import torch

from segnet.data.samples import stack_images
from segnet.tasks.super_resolution.result import Enlargement
from segnet.training.task import Forward


@torch.inference_mode()
def enlarge_images(forward: Forward, images: Sequence[np.ndarray], factor: int) -> list[Enlargement]:
    """Enlarge images of one size.

    Args:
        forward: runs a network of super-resolution.
        images: ``(H, W, C)``, uint8 or floats in 0..1.
        factor: how many times larger the result is along each axis.
    """
    height, width, channels = images[0].shape
    results = [np.empty((factor * height, factor * width, channels), np.uint8) for _ in images]
    for top, band in forward(stack_images(images)):
        values = band.float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        for result, part in zip(results, values, strict=True):
            result[top : top + part.shape[0]] = part
    return [Enlargement(image, result) for image, result in zip(images, results, strict=True)]
