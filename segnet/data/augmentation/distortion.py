"""Elastic distortion, as a part of the one resampling, and the artefacts of JPEG files."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

NODES = 5
"""Of the elastic grid, along each axis."""
STEPS = 16
"""Displacements are whole 1/16 pixels: below 256 pixels, their sums are exact in float32."""
LOSSLESS = 100
"""The quality at which an image is left alone."""


def draw_displacement(share: float, size: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Draw where the nodes of the grid are moved to.

    Args:
        share: largest displacement, of the result's shorter side; that of the sample is drawn uniformly from 0 up.
        size: height and width of the result.
        random: a stream of its own.

    Returns:
        ``(2, NODES, NODES)`` along y and x, pixels of the result.
    """
    largest = random.uniform(0, share) * min(size)
    nodes: np.ndarray = np.round(random.uniform(-largest, largest, (2, NODES, NODES)) * STEPS) / STEPS
    return nodes


def displace(nodes: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Spread the displacements of nodes ``(N, 2, NODES, NODES)``: along y and x, each ``(N, h, w)``.

    Bilinear between the nodes, the outer ones of which lie on the edges. The weights are whole 1/64, so that the
    result is exact on every device.
    """
    rows, columns = (_node_weights(side, nodes.device) for side in size)
    # One product after another, and no matrix product: that may be less exact on a GPU.
    lines = sum((rows[:, node, None] * nodes[:, :, node, None] for node in range(NODES)), start=torch.zeros(()))
    field = sum((columns[:, node] * lines[..., node, None] for node in range(NODES)), start=torch.zeros(()))
    return field[:, 0], field[:, 1]


def _node_weights(side: int, device: torch.device) -> Tensor:
    """Return ``(side, NODES)``, the part of each node in the displacement of each pixel."""
    places = torch.arange(side, device=device) * (NODES - 1) / max(1, side - 1)
    nodes = torch.arange(NODES, device=device)
    first = places.floor().clamp(max=NODES - 2)
    share = ((places - first) * 64).round() / 64
    left = (nodes == first[:, None]) * (1 - share)[:, None]
    return left + (nodes == first[:, None] + 1) * share[:, None]


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Take an image ``(C, H, W)`` uint8, grey or RGB, through a JPEG file; quality 100 leaves it as it is."""
    if quality >= LOSSLESS:
        return image
    file = io.BytesIO()
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as read:
        decoded = np.asarray(read)
    return decoded[None] if decoded.ndim == 2 else decoded.transpose(2, 0, 1)
