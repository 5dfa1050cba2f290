"""Skip connections: how a decoder stage joins the features of the matching encoder stage.

Contract: ``Skip(channels, encoded_channels)`` builds it for what the decoder has and what the encoder's stage has,
where the second, left out, is as many; ``out_channels`` says what it returns; ``forward(upsampled, encoded)`` takes
``(N, channels, H, W)`` and ``(N, encoded_channels, H, W)`` to ``(N, out_channels, H, W)``. Behind those in
:data:`STACKING` the convolution that follows is split, and no stacked copy is made.
"""

import torch
from torch import Tensor, nn

from segnet.errors import UserError
from segnet.layers import ConvNormAct, RegularConvolution


class NoSkip(nn.Module):
    """The decoder gets nothing from the encoder's stage but, where it unpools, the pool indices."""

    def __init__(self, channels: int, encoded_channels: int | None = None) -> None:
        super().__init__()
        self.out_channels = channels

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Leave the encoder's features out."""
        return upsampled


class AdditiveSkip(nn.Module):
    """The two are added (Long et al. 2015, FCN).

    Raises:
        UserError: they differ in channels.
    """

    def __init__(self, channels: int, encoded_channels: int | None = None) -> None:
        super().__init__()
        if encoded_channels not in (None, channels):
            raise UserError(
                f"skip=add cannot add {channels} channels of the decoder and {encoded_channels} of the encoder's "
                f"stage: set decoder.project=true, or choose skip=concat"
            )
        self.out_channels = channels

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Add."""
        return upsampled + encoded


class ConcatenatedSkip(nn.Module):
    """The two are stacked along the channels, upsampled first (Ronneberger et al. 2015, U-Net)."""

    def __init__(self, channels: int, encoded_channels: int | None = None) -> None:
        super().__init__()
        self.out_channels = channels + (channels if encoded_channels is None else encoded_channels)

    def encoded_part(self, encoded: Tensor) -> Tensor:
        """Return what is stacked behind the upsampled features."""
        return encoded

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Stack."""
        return torch.cat([upsampled, encoded], dim=1)


class ReducedConcatenatedSkip(nn.Module):
    """The encoder's features go through a 1x1 convolution, norm and ReLU to few channels, then the two are stacked.

    So the encoder's part does not outweigh the decoder's (Chen et al. 2018, DeepLabv3+, section 3.1).

    Args:
        channels: channels of the upsampled features.
        encoded_channels: channels of the encoder's features; None: as many.
        reduced_channels: channels that the encoder's features are brought to.
    """

    def __init__(self, channels: int, encoded_channels: int | None = None, reduced_channels: int = 48) -> None:
        super().__init__()
        encoded_channels = channels if encoded_channels is None else encoded_channels
        self.reduce = ConvNormAct(encoded_channels, reduced_channels, RegularConvolution, kernel_size=1)
        self.out_channels = channels + reduced_channels

    def encoded_part(self, encoded: Tensor) -> Tensor:
        """Return what is stacked behind the upsampled features."""
        reduced: Tensor = self.reduce(encoded)
        return reduced

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Reduce and stack."""
        return torch.cat([upsampled, self.encoded_part(encoded)], dim=1)


STACKING = (ConcatenatedSkip, ReducedConcatenatedSkip)
"""Those that stack ``encoded_part(encoded)`` behind the upsampled features and do nothing else; subclasses may."""
