"""Predicting the class of each pixel, in float32, without Lightning."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.data.samples import Batch, as_float, shrink


def resize_logits(logits: Tensor, size: Sequence[int]) -> Tensor:
    """Bring logits ``(N, K, h, w)`` to the labels' resolution, where the network saw resized images."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=list(size), mode="bilinear", align_corners=False)


@torch.inference_mode()
def predict(network: nn.Module, images: Tensor, size: Sequence[int]) -> Tensor:
    """Predict classes.

    Args:
        network: takes images in 0..1 to logits; put in evaluation mode by the caller.
        images: ``(N, C, h, w)`` uint8, on any device.
        size: height and width of the result.

    Returns:
        Classes ``(N, *size)`` int64, on the network's device.
    """
    device = next(network.parameters()).device
    return resize_logits(network(as_float(images.to(device))), size).argmax(1)


def predict_image(network: nn.Module, image: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Predict one image of any size.

    Args:
        network: in evaluation mode.
        image: ``(H, W, C)`` uint8.
        scale: the network sees the image resized by this factor, as it did in training.

    Returns:
        Classes ``(H, W)`` uint8.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    classes = predict(network, shrink(pixels, scale)[None], image.shape[:2])
    return classes[0].byte().cpu().numpy()


def predict_batches(network: nn.Module, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield predictions and labels ``(N, H, W)`` of each batch, on the network's device.

    The network is left in evaluation mode.
    """
    network.eval()
    for batch in batches:
        predictions = predict(network, batch["image"], batch["label"].shape[-2:])
        yield predictions, batch["label"].to(predictions.device)
