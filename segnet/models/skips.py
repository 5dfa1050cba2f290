"""Skip connections: how a decoder stage joins the features of the matching encoder stage.

Contract: ``Skip(channels)`` builds it for ``channels`` on both sides; ``out_channels`` says what it returns;
``forward(upsampled, encoded)`` takes two ``(N, channels, H, W)`` to ``(N, out_channels, H, W)``. One that stacks them
may say in ``stacked(encoded)`` what comes behind the upsampled features (None: nothing); the convolution that follows
is then split, and no stacked copy is made.
"""

import torch
from torch import Tensor, nn

from segnet.layers import ConvNormAct, RegularConvolution


class NoSkip(nn.Module):
    """The decoder gets nothing from the encoder's stage but, where it unpools, the pool indices."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

    def stacked(self, encoded: Tensor) -> None:
        """Return None: nothing is stacked."""
        return

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Leave the encoder's features out."""
        return upsampled


class AdditiveSkip(nn.Module):
    """The two are added (Long et al. 2015, FCN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Add."""
        return upsampled + encoded


class ConcatenatedSkip(nn.Module):
    """The two are stacked along the channels, upsampled first (Ronneberger et al. 2015, U-Net)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = 2 * channels

    def stacked(self, encoded: Tensor) -> Tensor:
        """Return what is stacked behind the upsampled features."""
        return encoded

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Stack."""
        return torch.cat([upsampled, encoded], dim=1)


class ReducedConcatenatedSkip(nn.Module):
    """The encoder's features go through a 1x1 convolution, norm and ReLU to few channels, then the two are stacked.

    So the encoder's part does not outweigh the decoder's (Chen et al. 2018, DeepLabv3+, section 3.1).

    Args:
        channels: channels of both sides.
        reduced_channels: channels that the encoder's features are brought to.
    """

    def __init__(self, channels: int, reduced_channels: int = 48) -> None:
        super().__init__()
        self.reduce = ConvNormAct(channels, reduced_channels, RegularConvolution, kernel_size=1)
        self.out_channels = channels + reduced_channels

    def stacked(self, encoded: Tensor) -> Tensor:
        """Return what is stacked behind the upsampled features."""
        return self.reduce(encoded)

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Reduce and stack."""
        return torch.cat([upsampled, self.stacked(encoded)], dim=1)
