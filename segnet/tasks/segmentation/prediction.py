"""Predicting the class of each pixel, without Lightning."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.data.samples import Batch, as_float, shrink, stack_images
from segnet.training.task import Band, Forward

ROWS_AT_ONCE = 512


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


@torch.inference_mode()
def classify(
    forward: Forward, images: Sequence[np.ndarray], scale: float, wants_probabilities: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Predict images of one size.

    Args:
        forward: runs the network.
        images: ``(H, W, C)``, uint8 or floats in 0..1.
        scale: the network sees the images resized by this factor, as it did in training.
        wants_probabilities: whether to return them; they take 4 bytes for each class and pixel.

    Returns:
        Classes ``(N, H, W)`` uint8, and probabilities ``(N, K, H, W)`` float32 or None.
    """
    size = images[0].shape[:2]
    masks = np.empty((len(images), *size), np.uint8)
    probabilities: np.ndarray | None = None
    seen = shrink_images(stack_images(images), scale)
    bands: Iterable[Band] = forward(seen)
    for top, logits in bands if tuple(seen.shape[-2:]) == size else enlarge_bands(bands, size):
        rows = slice(top, top + logits.shape[-2])
        masks[:, rows] = logits.argmax(1).byte().cpu().numpy()
        if wants_probabilities:
            if probabilities is None:
                probabilities = np.empty((len(images), logits.shape[1], *size), np.float32)
            probabilities[:, :, rows] = logits.float().softmax(1).cpu().numpy()
    return masks, probabilities


def shrink_images(images: Tensor, scale: float) -> Tensor:
    """Resize images ``(N, C, H, W)`` by ``scale`` as evaluation does."""
    return images if scale == 1 else torch.stack([shrink(image.contiguous(), scale) for image in images])


def enlarge_bands(bands: Iterable[Band], size: Sequence[int]) -> Iterator[Band]:
    """Bring logits that arrive in bands of rows to ``size``, and yield them in bands: the whole would fill the memory.

    The values are those of :func:`resize_logits`.
    """
    parts = [logits for _, logits in bands]
    logits = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
    del parts
    height, (out_height, out_width) = logits.shape[2], size
    for top in range(0, out_height, ROWS_AT_ONCE):
        rows = torch.arange(top, min(top + ROWS_AT_ONCE, out_height), device=logits.device)
        places = ((rows + 0.5) * (height / out_height) - 0.5).clamp(0, height - 1)
        above = places.floor().long()
        below = (above + 1).clamp(max=height - 1)
        share = (places - above)[:, None].to(logits.dtype)
        mixed = torch.lerp(logits[:, :, above], logits[:, :, below], share)
        yield top, F.interpolate(mixed, size=(len(rows), out_width), mode="bilinear", align_corners=False)


def predict_batches(network: nn.Module, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield predictions and labels ``(N, H, W)`` of each batch, on the network's device.

    The network is left in evaluation mode.
    """
    for logits, labels in batch_logits(network, batches):
        yield logits.argmax(1), labels


@torch.inference_mode()
def batch_logits(network: nn.Module, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits ``(N, K, H, W)`` at the labels' resolution and labels of each batch, on the network's device.

    The network is left in evaluation mode.
    """
    network.eval()
    device = next(network.parameters()).device
    for batch in batches:
        logits = network(as_float(batch["image"].to(device)))
        yield resize_logits(logits, batch["label"].shape[-2:]), batch["label"].to(device)
