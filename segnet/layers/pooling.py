"""Downsampling between two encoder stages, and the inverse of max-pooling.

Contract, for both classes: ``forward((N, C, H, W))`` returns ``(features, pool_indices)`` with features of
``(N, C, ceil(H / 2), ceil(W / 2))``. Rounding up means that every size from 1 pixel up can be halved.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.layers.convolution import ConvNormAct


class MaxPool(nn.Module):
    """2x2 max-pooling that remembers where each maximum came from.

    The pool indices are ``(N, C, h, w)`` int64, flat positions in the ``(H, W)`` plane, as torch gives them.
    """

    keeps_pool_indices: ClassVar[bool] = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool ``(N, C, H, W)``; ties go to the first pixel in reading order."""
        return F.max_pool2d(features, kernel_size=2, stride=2, ceil_mode=True, return_indices=True)


class StridedConvolution(nn.Module):
    """3x3 convolution of stride 2, norm and activation: a learned downsampling, without pool indices.

    Args:
        channels: number of feature channels C, the same before and after.
        convolution: factory of the convolution, see :mod:`segnet.layers.convolution`.
        activation: factory of the activation.
    """

    keeps_pool_indices: ClassVar[bool] = False

    def __init__(
        self, channels: int, convolution: Callable[..., nn.Module], activation: Callable[[], nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        self.block = ConvNormAct(channels, channels, convolution, activation, stride=2)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Downsample ``(N, C, H, W)``."""
        return self.block(features), None


def max_unpool(features: Tensor, pool_indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Put each feature at its pool index in a plane of zeros: ``(N, C, h, w)`` to ``(N, C, *output_size)``.

    Written as a scatter since torch's own operator refuses deterministic mode; where windows do not overlap,
    as in :class:`MaxPool`, each place is written once, so that the result has the same bits each time.

    Raises:
        ValueError: features and pool indices differ in shape; a scatter would silently use a part of them.
    """
    if features.shape != pool_indices.shape:
        raise ValueError(
            f"max-unpool wants a pool index for each feature: the features are {tuple(features.shape)}, "
            f"the pool indices {tuple(pool_indices.shape)}"
        )
    (batch, channels), (height, width) = features.shape[:2], output_size
    if features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous():
        # The same scatter along the pixels of (N, H W, C), so that nothing is copied to the other layout and back.
        plane = features.new_zeros((batch, height * width, channels))
        index, source = pool_indices.permute(0, 2, 3, 1).flatten(1, 2), features.permute(0, 2, 3, 1).flatten(1, 2)
        return plane.scatter(1, index, source).unflatten(1, (height, width)).permute(0, 3, 1, 2)
    plane = features.new_zeros((batch, channels, height * width))
    return plane.scatter(2, pool_indices.flatten(2), features.flatten(2)).unflatten(2, (height, width))
