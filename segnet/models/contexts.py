"""Context blocks: what sits at the lowest resolution, between encoder and decoder.

Contract: ``ContextBlock(in_channels)`` builds it; ``out_channels`` says what it returns;
``forward`` takes ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``.
"""

from torch import nn


class NoContext(nn.Identity):
    """The decoder starts from the encoder's last stage as it is."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.out_channels = in_channels
