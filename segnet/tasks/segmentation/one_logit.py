"""Two classes told apart by one logit.

The softmax of the logits (0, z) is the sigmoid of z, and their cross-entropy the binary cross-entropy of z. So a
network with one output trains, is scored and is exported as any other, with half of the head's parameters.
"""

import torch
from torch import Tensor, nn

from segnet.errors import UserError
from segnet.models.network import SegmentationNetwork


class OneLogit(nn.Module):
    """Puts a zero, the logit of the first class, before the one logit of a network.

    Args:
        body: the encoder-decoder, with one output channel.

    Raises:
        UserError: it has more.
    """

    def __init__(self, body: SegmentationNetwork) -> None:
        super().__init__()
        if body.num_classes != 1:
            raise UserError(
                f"model.num_classes={body.num_classes} does not fit task=segmentation_binary, whose network has one "
                f"output: leave model.num_classes out"
            )
        self.body = body

    @property
    def encoder(self) -> nn.Module:
        """The body's encoder."""
        return self.body.encoder

    def forward(self, images: Tensor) -> Tensor:
        """Take images ``(N, C, H, W)``, floats in 0..1, to class logits ``(N, 2, H, W)``, the first of them 0."""
        logit: Tensor = self.body(images)
        return torch.cat([torch.zeros_like(logit), logit], dim=1)
