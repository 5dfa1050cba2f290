"""Transforms of torchvision's (``torchvision.transforms.v2``) on a sample, before all other augmentation."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from segnet.errors import UserError, require

Transform: TypeAlias = Callable[..., Any]
MARKS = (1, 2)
"""Values of the two marks that go through the transforms beside a label: what is filled has one value in both."""


def check_transforms(transforms: Sequence[Transform]) -> None:
    """Check that each can be called.

    Raises:
        UserError: one cannot.
    """
    allowed = "a list of transforms, such as [{_target_:torchvision.transforms.v2.RandomPerspective,p:0.5}]"
    valid = isinstance(transforms, Sequence) and all(callable(transform) for transform in transforms)
    require(valid, "data.augmentation.transforms", transforms, allowed)


def apply_transforms(
    transforms: Sequence[Transform], image: np.ndarray, label: np.ndarray, ignore_index: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Take a sample through transforms, the label as a mask.

    Torch's global generator, which they draw from, is seeded for them and then as it was before. A pixel that a
    transform has filled, beside a rotated image say, gets the ignore index, whatever ``fill`` says.

    Args:
        transforms: called one after another with ``tv_tensors.Image`` ``(C, H, W)`` and ``tv_tensors.Mask``, uint8.
        image: ``(H, W, C)`` uint8.
        label: ``(H, W)`` uint8.
        ignore_index: label of what is filled.
        seed: of the sample.

    Returns:
        Image and label as they were given, of a size that may differ.

    Raises:
        UserError: a transform fails, or makes something else of a sample than bytes with as many channels.
    """
    from torchvision import tv_tensors  # late: it takes seconds

    pixels = tv_tensors.Image(np.array(image.transpose(2, 0, 1), order="C"))
    marked = np.stack([label, *(np.full_like(label, mark) for mark in MARKS)])
    mask = tv_tensors.Mask(marked)
    # Not torch.manual_seed, which would seed a GPU's generator too.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\w+\(\) is currently passing through inputs of type")  # the label, rightly
        torch.default_generator.manual_seed(seed)
        for transform in transforms:
            pixels, mask = _apply(transform, pixels, mask)
    labels = mask.numpy()
    filled = (labels[1] != MARKS[0]) | (labels[2] != MARKS[1])
    return pixels.numpy().transpose(1, 2, 0), np.where(filled, np.uint8(ignore_index), labels[0])


def _apply(transform: Transform, image: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    name = f"data.augmentation.transforms: {type(transform).__name__}"
    try:
        pixels, marked = transform(image, mask)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{name} fails on an image and its label ({said}): change or remove it") from error
    fits = isinstance(pixels, torch.Tensor) and isinstance(marked, torch.Tensor)
    fits = fits and pixels.dtype == marked.dtype == torch.uint8
    if not fits or pixels.shape[0] != image.shape[0] or marked.shape != (len(mask), *pixels.shape[1:]):
        raise UserError(
            f"{name} does not return an image of bytes with {image.shape[0]} channels and a label of its size: remove "
            f"it (the network scales and normalises images itself)"
        )
    return pixels, marked
