"""Skip connections: how a decoder stage joins the features of the matching encoder stage.

Contract: ``Skip(channels)`` builds it for ``channels`` on both sides; ``out_channels`` says what it returns;
``forward(upsampled, encoded)`` takes two ``(N, channels, H, W)`` to ``(N, out_channels, H, W)``.
"""

import torch
from torch import Tensor, nn


class NoSkip(nn.Module):
    """The decoder gets nothing from the encoder's stage but, where it unpools, the pool indices."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

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

    def forward(self, upsampled: Tensor, encoded: Tensor) -> Tensor:
        """Stack."""
        return torch.cat([upsampled, encoded], dim=1)
