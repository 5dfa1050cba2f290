"""The network: encoder, context block, decoder and head in a row."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from segnet.layers.convolution import padding_of


class SegmentationNetwork(nn.Module):
    """Takes images of any height and width from 1 pixel up to logits of the same size.

    Args:
        encoder: see :mod:`segnet.models.encoders`.
        context: factory of the context block, called with the channels of the encoder's last stage.
        decoder: factory of the decoder, called with the encoder and the context block's channels.
        num_classes: number of classes K.
        mean: mean of each image channel (images in 0..1), subtracted first.
        std: spread of each image channel, divided by next.
        head_kernel_size: odd number of taps of the head's convolution along each axis.

    Raises:
        segnet.errors.UserError: the parts cannot work together.
    """

    def __init__(
        self,
        encoder: nn.Module,
        context: Callable[[int], nn.Module],
        decoder: Callable[[nn.Module, int], nn.Module],
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        head_kernel_size: int = 1,
    ) -> None:
        super().__init__()
        # The normalisation is part of the network, so that whoever uses it hands it images in 0..1 and nothing else.
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1), persistent=False)
        self.encoder = encoder
        self.context = context(encoder.channels[-1])
        self.decoder = decoder(encoder, self.context.out_channels)
        padding = padding_of(head_kernel_size, 1, "same")
        self.head = nn.Conv2d(self.decoder.out_channels, num_classes, head_kernel_size, padding=padding)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.head.out_channels

    def forward(self, images: Tensor) -> Tensor:
        """Take images ``(N, C, H, W)``, floats in 0..1, to class logits ``(N, K, H, W)``."""
        encoded = self.encoder((images - self.mean) / self.std)
        features = self.context(encoded.features[-1])
        return self.head(self.decoder(features, encoded, tuple(images.shape[-2:])))
