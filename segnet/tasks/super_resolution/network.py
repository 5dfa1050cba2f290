"""Super-resolution by the encoder-decoder: what bicubic interpolation leaves out, added to it.

Sources: Dong et al. 2016, SRCNN (the image is enlarged by bicubic interpolation first, and the network works at the
target's resolution); Kim et al. 2016, VDSR (the network's output is the residual that is added).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.models.network import Head, SegmentationNetwork

FACTORS = (2, 4)


def enlarge(images: Tensor, factor: int) -> Tensor:
    """Enlarge images ``(N, C, h, w)`` to ``(N, C, factor * h, factor * w)`` by bicubic interpolation."""
    # By size: a factor makes floats of sizes that torch.export leaves open.
    size = [factor * side for side in images.shape[-2:]]
    return F.interpolate(images, size=size, mode="bicubic", align_corners=False)


class ResidualHead(Head):
    """A 1x1 convolution that starts at zero, so that a network begins at bicubic quality."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Set weights and bias to zero; nothing is drawn."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class SuperResolutionNetwork(nn.Module):
    """Takes images of any height and width from 1 pixel up to images that are larger by a factor.

    Args:
        body: the encoder-decoder, with as many output channels as the image has; its head is replaced by one that
            starts at zero.
        factor: 2 or 4.

    Raises:
        UserError: the factor is neither, or the body's output is no image.
    """

    def __init__(self, body: SegmentationNetwork, factor: int) -> None:
        super().__init__()
        if factor not in FACTORS:
            raise UserError(f"task.factor={factor} is not known: choose {' or '.join(map(str, FACTORS))}")
        channels = body.get_buffer("mean").shape[1]
        if body.num_classes != channels:
            raise UserError(
                f"model.num_classes={body.num_classes} does not fit task=super_resolution, whose images have "
                f"{channels} channel{'s' if channels > 1 else ''}: leave model.num_classes out"
            )
        self.factor = factor
        self.body = body
        self.body.head = ResidualHead(body.head.in_channels, channels)

    def forward(self, images: Tensor) -> Tensor:
        """Take images ``(N, C, h, w)``, floats in 0..1, to ``(N, C, factor * h, factor * w)``, not clamped to 0..1."""
        enlarged = enlarge(images, self.factor)
        residual: Tensor = self.body(enlarged)
        return enlarged + residual
