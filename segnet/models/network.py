"""The network: encoder, context block, decoder and head in a row."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.layers.convolution import padding_of
from segnet.layers.rewrites.decision import Chosen, use_exact_rewrites
from segnet.layers.rewrites.rules import Rules
from segnet.layers.rewrites.upsampling import lets_pointwise_pass
from segnet.models.decoder_stages import upsample
from segnet.models.decoders import MirrorDecoder
from segnet.models.encoders import EncoderOutput


class Head(nn.Conv2d):
    """Convolution from features to logits.

    Args:
        in_channels: channels that arrive.
        out_channels: number of classes.
        kernel_size: odd number of taps along each axis.
    """

    bias: nn.Parameter

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=padding_of(kernel_size, 1, "same"))

    def forward(self, features: Tensor, adds_bias: bool = True) -> Tensor:
        """Take features ``(N, in_channels, H, W)`` to logits ``(N, out_channels, H, W)``."""
        return super().forward(features) if adds_bias else F.conv2d(features, self.weight, padding=self.padding)


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
        exact_rewrites: compute upsamplers with the convolutions behind them, and atrous depthwise convolutions, in
            exact cheaper forms where there are some: the same weights, and the same function up to rounding.

    Raises:
        segnet.errors.UserError: the parts cannot work together.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        context: Callable[[int], nn.Module],
        decoder: Callable[[nn.Module, int], nn.Module],
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        head_kernel_size: int = 1,
        exact_rewrites: bool = True,
    ) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise UserError(
                f"data.mean={list(mean)} and data.std={list(std)} do not fit: give each one value for each channel of "
                f"data.channels, those of data.std above 0"
            )
        # The normalisation is part of the network, so that whoever uses it hands it images in 0..1 and nothing else.
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1), persistent=False)
        self.encoder = encoder
        self.context = context(cast(Sequence[int], encoder.channels)[-1])
        self.decoder = decoder(encoder, cast(int, self.context.out_channels))
        self.head = Head(cast(int, self.decoder.out_channels), num_classes, head_kernel_size)
        use_exact_rewrites(self, exact_rewrites)

    def rewrite(self, rules: Rules | None) -> None:
        """Choose by these rules whether the head runs before the last upsamplings, or with None that it does not."""
        self.rules, self.chosen = rules, Chosen([self.decoder, self.head])
        self.moves_head = (
            rules is not None
            and type(self.decoder) is MirrorDecoder
            and type(self.head) is Head
            and self.head.kernel_size == (1, 1)
            and any(self.decoder.waits[-1:])
        )
        # Between nails there are zeros, which a bias must reach too.
        self.adds_bias_last = self.moves_head and not all(
            lets_pointwise_pass(cast(nn.Module, stage.upsampler), cast(Rules, rules), has_bias=True)
            for stage in cast(MirrorDecoder, self.decoder).stages
        )

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.head.out_channels

    def _check(self, images: Tensor) -> None:
        """Refuse what would be computed without an error, since the normalisation broadcasts and makes floats."""
        channels = self.mean.shape[1]
        if images.dim() != 4 or images.shape[1] != channels:
            raise ValueError(f"this network takes images (N, {channels}, H, W), not {tuple(images.shape)}")
        if not images.is_floating_point():
            raise ValueError(f"this network takes floats in 0..1, not {images.dtype}: divide bytes by 255")

    def forward(self, images: Tensor) -> Tensor:
        """Take images ``(N, C, H, W)``, floats in 0..1, to class logits ``(N, K, H, W)``.

        Raises:
            ValueError: the images have other channels, or integers for values.
        """
        self._check(images)
        encoded: EncoderOutput = self.encoder((images - self.mean) / self.std)
        features = self.context(encoded.features[-1])
        image_size = images.shape[-2], images.shape[-1]
        if not self.moves_head or not self.chosen.are_unchanged([self.decoder, self.head]):
            logits: Tensor = self.head(self.decoder(features, encoded, image_size))
            return logits
        features, waiting = cast(MirrorDecoder, self.decoder).run(features, encoded, image_size)
        for upsampling in waiting:
            cast(Rules, self.rules).note(f"{type(upsampling.upsampler).__name__} + 1x1 -> 1x1 first")
        if waiting and self.adds_bias_last:
            logits = upsample(self.head(features, adds_bias=False), waiting)
            return logits + self.head.bias.to(logits.dtype)[:, None, None]
        return upsample(self.head(features), waiting)
