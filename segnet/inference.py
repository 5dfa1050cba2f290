"""Using a network: predictions and scores, in float32, without Lightning."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.data.dataset import Sample, shrink
from segnet.errors import UserError
from segnet.metrics import confusion_matrix


def as_float(images: Tensor) -> Tensor:
    """Take uint8 images 0..255 to float32 in 0..1."""
    return images.float().div_(255)


def resize_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring logits ``(N, K, h, w)`` to the labels' resolution, where the network saw resized images."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def choose_device(setting: str) -> torch.device:
    """Resolve ``device=auto`` to a GPU where there is one.

    Raises:
        UserError: the named device is not there.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if setting == "auto":
        return accelerator or torch.device("cpu")
    if setting != "cpu" and (accelerator is None or accelerator.type != torch.device(setting).type):
        raise UserError(f"device={setting} is not to be had on this machine: set device=cpu, or leave device out")
    return torch.device(setting)


@torch.inference_mode()
def predict(network: nn.Module, images: Tensor, size: tuple[int, int]) -> Tensor:
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


@torch.inference_mode()
def enlarge_image(network: nn.Module, image: np.ndarray) -> np.ndarray:
    """Enlarge one image of any size.

    Args:
        network: of super-resolution, in evaluation mode.
        image: ``(H, W, C)`` uint8.

    Returns:
        ``(factor * H, factor * W, 3)``, or without the last axis where the image has one channel; uint8.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    device = next(network.parameters()).device
    enlarged = network(as_float(pixels.to(device))[None])[0].clamp(0, 1).mul(255).round().byte()
    values = enlarged.permute(1, 2, 0).cpu().numpy()
    return values[..., 0] if values.shape[-1] == 1 else values


def predict_batches(network: nn.Module, batches: Iterable[Sample]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield predictions and labels ``(N, H, W)`` of each batch, on the network's device.

    The network is left in evaluation mode.
    """
    network.eval()
    for batch in batches:
        predictions = predict(network, batch["image"], tuple(batch["label"].shape[-2:]))
        yield predictions, batch["label"].to(predictions.device)


def evaluate(network: nn.Module, batches: Iterable[Sample], num_classes: int, ignore_index: int) -> Tensor:
    """Score a network over a split.

    Args:
        network: takes images in 0..1 to logits; left in evaluation mode.
        batches: of :class:`segnet.data.dataset.Sample`.
        num_classes: number of classes K.
        ignore_index: label that does not count.

    Returns:
        The confusion matrix ``(K, K)`` int64, on the CPU; see :func:`segnet.metrics.scores`.
    """
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for predictions, labels in predict_batches(network, batches):
        confusion += confusion_matrix(predictions, labels, num_classes, ignore_index).cpu()
    return confusion
