"""Enlarging images, without Lightning."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from segnet.data.samples import stack_images
from segnet.errors import UserError
from segnet.run_folder import write_picture
from segnet.training.task import Forward


@dataclass(frozen=True, eq=False)
class Enlargement:
    """An image, and what super-resolution made of it.

    Attributes:
        image: the input ``(H, W, C)``, uint8 or floats in 0..1.
        enlarged: ``(factor * H, factor * W, C)`` uint8.
    """

    image: np.ndarray
    enlarged: np.ndarray

    def save(self, path: str | Path) -> None:
        """Write the enlarged image as PNG.

        Raises:
            UserError: the file has another ending.
        """
        if Path(path).suffix.lower() != ".png":
            raise UserError(f"an enlarged image is written as .png, and {path} has another ending: give it that one")
        write_picture(Path(path), self.enlarged[..., 0] if self.enlarged.shape[-1] == 1 else self.enlarged)

    def write(self, output: Path, name: str, kinds: Sequence[str], opacity: float) -> None:
        """Write the enlarged image into an output folder; there is one kind, and nothing is laid over it."""
        self.save(output / name)


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
