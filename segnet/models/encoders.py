"""Encoders: the downsampling half of the network.

Contract: an encoder has ``channels`` and ``strides`` (one entry a stage, from high to low resolution) and
``keeps_pool_indices`` (one entry for each step from a stage to the next), ``forward(images)`` returns
:class:`EncoderOutput`, features of a stage measure ``ceil(H / stride)`` by ``ceil(W / stride)``, and
``mend_for_pool_indices`` says how to make it keep pool indices.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, cast

from torch import Tensor, nn

from segnet.errors import UserError, require
from segnet.layers import ConvBlock


class EncoderOutput(NamedTuple):
    """What an encoder hands to the decoder.

    Attributes:
        features: one ``(N, C_i, H_i, W_i)`` a stage, from high to low resolution.
        pool_indices: for each step from stage i to i + 1 the pool indices, or None where that step did not pool.
    """

    features: list[Tensor]
    pool_indices: list[Tensor | None]


def reduced_size(size: Sequence[int], stride: int) -> tuple[int, int]:
    """Return height and width at a stride, rounded up.

    Of positive numbers alone: a graph that is exported divides negative ones another way than Python does.
    """
    return (size[0] + stride - 1) // stride, (size[1] + stride - 1) // stride


class PlainEncoder(nn.Module):
    """Stages of plain convolution blocks with a downsampling step between each two.

    Args:
        in_channels: channels of the image.
        widths: channels of each stage; their number is the number of stages, the first at full resolution.
        depths: convolutions in each stage; a last stage of depth 0 ends the encoder in a downsampling step.
        convolution: convolution factory, or one a stage; in place of one a list, with one a convolution of the stage.
        downsampling: factory of the step between two stages, see :mod:`segnet.layers.pooling.pool`.
        activation: factory of the activation.
        kernel_size: odd number of taps of each convolution along each axis.
        first_stride: stride of the first convolution, 1 or 2. With 2 no features are kept at full resolution, where
            most of the time goes: the same network then sees images of twice the side at nearly the same cost.

    Raises:
        UserError: there is no stage, the lists differ in length, or a value is out of its range.
    """

    mend_for_pool_indices: ClassVar[str] = "choose downsampling=max_pool"

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        depths: Sequence[int],
        convolution: Callable[..., nn.Module] | Sequence[Callable[..., nn.Module] | Sequence[Callable[..., nn.Module]]],
        downsampling: Callable[[int], nn.Module],
        activation: Callable[[], nn.Module] = nn.ReLU,
        kernel_size: int = 3,
        first_stride: int = 1,
    ) -> None:
        super().__init__()
        convolutions = [convolution] * len(widths) if callable(convolution) else list(convolution)
        if not 0 < len(widths) == len(depths) == len(convolutions):
            raise UserError(
                f"encoder.widths, encoder.depths and a list of convolutions need one entry per stage, and one stage at "
                f"least: there are {len(widths)} widths, {len(depths)} depths and {len(convolutions)} convolutions"
            )
        require(min(widths) >= 1, "encoder.widths", widths, "integers from 1 up")
        require(min(depths) >= 0, "encoder.depths", depths, "integers from 0 up")
        require(
            kernel_size >= 1 and kernel_size % 2 == 1, "encoder.kernel_size", kernel_size, "an odd integer from 1 up"
        )
        if first_stride not in (1, 2) or (first_stride == 2 and depths[0] == 0):
            raise UserError(
                f"encoder.first_stride={first_stride} with encoder.depths={list(depths)}: set 1, or 2 with a first "
                f"stage of one convolution at least"
            )
        self.channels = tuple(widths)
        self.strides = tuple(first_stride * 2**stage for stage in range(len(widths)))
        before = [in_channels, *widths[:-1]]
        strides = [first_stride] + [1] * (len(widths) - 1)
        self.stages = nn.ModuleList(
            ConvBlock(arriving, width, depth, factory, activation, kernel_size, stride=stride)
            for arriving, width, depth, factory, stride in zip(
                before, widths, depths, convolutions, strides, strict=True
            )
        )
        self.downsampling = nn.ModuleList(downsampling(width) for width in widths[:-1])
        self.keeps_pool_indices = tuple(cast(bool, step.keeps_pool_indices) for step in self.downsampling)

    def forward(self, images: Tensor) -> EncoderOutput:
        """Encode normalised images ``(N, in_channels, H, W)``."""
        features, pool_indices = [self.stages[0](images)], []
        for step, stage in zip(self.downsampling, self.stages[1:], strict=True):
            smaller, indices = step(features[-1])
            pool_indices.append(indices)
            features.append(stage(smaller))
        return EncoderOutput(features, pool_indices)
