"""The decoder: the upsampling half of the network, which mirrors the encoder step by step."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from segnet.errors import UserError
from segnet.layers import ConvBlock, ConvNormAct
from segnet.models.encoders import EncoderOutput


class Step(NamedTuple):
    """One upsampling step of the plan.

    Attributes:
        stride: stride of the step's output.
        stage: index of the encoder stage that has this stride; None where the encoder has none.
        width: channels that the encoder had there; where it has no such stage, those of its first one.
    """

    stride: int
    stage: int | None
    width: int


def plan_steps(channels: Sequence[int], strides: Sequence[int]) -> list[Step]:
    """Halve the stride from the encoder's last to 1; where several stages share a stride, the last of them counts."""
    stage_of = {stride: stage for stage, stride in enumerate(strides)}
    steps, stride = [], strides[-1] // 2
    while stride >= 1:
        stage = stage_of.get(stride)
        steps.append(Step(stride, stage, channels[stage if stage is not None else 0]))
        stride //= 2
    return steps


class DecoderStage(nn.Module):
    """One step of the decoder: bring the channels to the encoder's width, upsample, join the skip, run the block.

    Args:
        in_channels: channels that arrive.
        width: channels that the matching encoder stage had when it pooled; the upsampler works on these.
        out_channels: channels that leave.
        joins_skip: whether there is an encoder stage to join.
        depth: convolutions of the block.
        upsampler: factory of the upsampler, called with ``width``.
        skip: factory of the skip connection, called with ``width``.
        convolution: convolution factory of the block.
        activation: factory of the activation.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        joins_skip: bool,
        depth: int,
        upsampler: Callable[[int], nn.Module],
        skip: Callable[[int], nn.Module],
        convolution: Callable[..., nn.Module],
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.project = (
            nn.Identity()
            if in_channels == width
            else ConvNormAct(in_channels, width, convolution, activation, kernel_size=1)
        )
        self.upsampler = upsampler(width)
        self.skip = skip(width) if joins_skip else None
        joined = self.skip.out_channels if self.skip is not None else width
        self.block = ConvBlock(joined, out_channels, depth, convolution, activation)

    def forward(
        self, features: Tensor, output_size: tuple[int, int], encoded: Tensor | None, pool_indices: Tensor | None
    ) -> Tensor:
        """Take ``(N, in_channels, h, w)`` to ``(N, out_channels, *output_size)``."""
        upsampled = self.upsampler(self.project(features), output_size, pool_indices)
        if self.skip is not None:
            upsampled = self.skip(upsampled, encoded)
        return self.block(upsampled)


class MirrorDecoder(nn.Module):
    """Undoes the encoder's downsampling one step at a time, up to the image's resolution, all with one upsampler.

    Args:
        encoder: what it mirrors; only its ``channels``, ``strides`` and ``keeps_pool_indices`` are read.
        in_channels: channels of the features that arrive (of the context block).
        upsampler: factory of the upsampler, called with a channel count.
        skip: factory of the skip connection, called with a channel count.
        convolution: convolution factory.
        activation: factory of the activation.
        depths: convolutions of each step's block, from low to high resolution; one number serves all.
        widths: channels that leave each step, from low to high resolution. None: the width of the
            next step, so that nothing has to be brought to it, and in the last step the encoder's first width.

    Raises:
        UserError: the upsampler needs pool indices and the encoder keeps none at some step.
        ValueError: ``depths`` or ``widths`` do not fit the number of steps.
    """

    def __init__(
        self,
        encoder: nn.Module,
        in_channels: int,
        upsampler: Callable[[int], nn.Module],
        skip: Callable[[int], nn.Module],
        convolution: Callable[..., nn.Module],
        activation: Callable[[], nn.Module] = nn.ReLU,
        depths: Sequence[int] | int = 1,
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.steps = plan_steps(encoder.channels, encoder.strides)
        depths = [depths] * len(self.steps) if isinstance(depths, int) else list(depths)
        if widths is None:
            widths = [step.width for step in [*self.steps[1:], *self.steps[-1:]]]
        if not len(self.steps) == len(depths) == len(widths):
            raise ValueError(
                f"the decoder has {len(self.steps)} steps, but {len(depths)} depths and {len(widths)} widths"
            )
        self.stages = nn.ModuleList()
        for step, depth, out_channels in zip(self.steps, depths, widths, strict=True):
            joins_skip = step.stage is not None
            self.stages.append(
                DecoderStage(
                    in_channels, step.width, out_channels, joins_skip, depth, upsampler, skip, convolution, activation
                )
            )
            in_channels = out_channels
        self.out_channels = in_channels
        self._refuse_missing_pool_indices(encoder)

    def _refuse_missing_pool_indices(self, encoder: nn.Module) -> None:
        for step, stage in zip(self.steps, self.stages, strict=True):
            kept = step.stage is not None and encoder.keeps_pool_indices[step.stage]
            if getattr(stage.upsampler, "needs_pool_indices", False) and not kept:
                raise UserError(
                    f"{type(stage.upsampler).__name__} needs pool indices, but {type(encoder).__name__} keeps none on "
                    f"the way from stride {step.stride} to {2 * step.stride}: choose downsampling=max_pool, or "
                    f"another upsampler than max_unpool"
                )

    def forward(self, features: Tensor, encoded: EncoderOutput, image_size: tuple[int, int]) -> Tensor:
        """Take the context's features ``(N, in_channels, h, w)`` to ``(N, out_channels, *image_size)``."""
        for step, stage in zip(self.steps, self.stages, strict=True):
            if step.stage is None:
                # Halving rounds up everywhere, so this is the size that a stage of this stride would have.
                size = (-(-image_size[0] // step.stride), -(-image_size[1] // step.stride))
                features = stage(features, size, None, None)
            else:
                skip = encoded.features[step.stage]
                indices = encoded.pool_indices[step.stage]
                features = stage(features, tuple(skip.shape[-2:]), skip, indices)
        return features
