"""Several labels for a pixel, each told by a logit of its own.

A class is a set of labels, and its logit the sum of theirs. Over all sets of labels the softmax of these sums is the
product of the labels' own probabilities, sigmoids of their logits, and the cross-entropy the sum of the labels' binary
cross-entropies. Over the sets that a data set has, it is the same, given that one of these sets is meant: what never
occurs together is not predicted together. So such a network trains, is scored and is exported as any other.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.data.labels import Labels
from segnet.errors import UserError
from segnet.models.network import SegmentationNetwork


class LabelLogits(nn.Module):
    """Adds up the logits of the labels that a class holds.

    Args:
        body: the encoder-decoder, with one output channel for each label.
        labels: what the classes hold.

    Raises:
        UserError: the number of outputs is another.
    """

    members: Tensor

    def __init__(self, body: SegmentationNetwork, labels: Labels) -> None:
        super().__init__()
        if body.num_classes != len(labels.names):
            raise UserError(
                f"model.num_classes={body.num_classes} does not fit task=segmentation_multilabel, whose network has "
                f"one output for each of {len(labels.names)} labels: leave model.num_classes out"
            )
        self.body = body
        # Follows from the names of the classes, so it is no part of a checkpoint.
        members = torch.from_numpy(labels.members).float()[:, :, None, None]
        self.register_buffer("members", members, persistent=False)

    @property
    def encoder(self) -> nn.Module:
        """The body's encoder."""
        return self.body.encoder

    def forward(self, images: Tensor) -> Tensor:
        """Take images ``(N, C, H, W)``, floats in 0..1, to class logits ``(N, K, H, W)``."""
        logits: Tensor = self.body(images)
        return F.conv2d(logits, self.members.to(logits.dtype))
