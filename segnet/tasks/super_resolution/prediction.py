"""Enlarging an image, in float32, without Lightning."""

import numpy as np
import torch
from torch import nn

from segnet.data.samples import as_float


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
    values: np.ndarray = enlarged.permute(1, 2, 0).cpu().numpy()
    return values[..., 0] if values.shape[-1] == 1 else values
