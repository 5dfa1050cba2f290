"""The decoder: the upsampling half of the network, which mirrors the encoder step by step."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from segnet.errors import UserError
from segnet.layers import ConvBlock, ConvNormAct, RegularConvolution
from segnet.layers.rewrites.deferred import Enlarged, Map, Stacked, compute, is_current, is_watched, takes_deferred
from segnet.layers.upsamplers import knows_its_exact_forms
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
        width: channels that the matching encoder stage had when it pooled.
        out_channels: channels that leave; None: those that there are after the skip connection.
        joins_skip: whether there is an encoder stage to join.
        depth: convolutions of the block.
        upsampler: factory of the upsampler, called with the channels that it works on.
        skip: factory of the skip connection, called with the upsampled channels and ``width``.
        convolution: convolution factory of the block.
        activation: factory of the activation.
        kernel_size: odd number of taps of the block's convolutions along each axis.
        change_last: whether the block's last convolution changes the channel count, instead of its first.
        project: whether the channels are brought to ``width`` first; else the upsampler works on ``in_channels``.

    Attributes:
        exact_rewrites: whether upsampler, skip connection and the convolution behind them are computed in an exact
            cheaper form, where there is one.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int | None,
        joins_skip: bool,
        depth: int,
        upsampler: Callable[[int], nn.Module],
        skip: Callable[[int, int], nn.Module],
        convolution: Callable[..., nn.Module],
        activation: Callable[[], nn.Module],
        kernel_size: int = 3,
        change_last: bool = False,
        project: bool = True,
    ) -> None:
        super().__init__()
        upsampled = width if project else in_channels
        self.exact_rewrites = True
        # Regular whatever the block's convolution is: a 1x1 has no space to separate or to dilate.
        self.project = (
            nn.Identity()
            if in_channels == upsampled
            else ConvNormAct(in_channels, width, RegularConvolution, activation, kernel_size=1)
        )
        self.upsampler = upsampler(upsampled)
        self.skip = skip(upsampled, width) if joins_skip else None
        joined = self.skip.out_channels if self.skip is not None else upsampled
        self.out_channels = joined if out_channels is None else out_channels
        self.block = ConvBlock(joined, self.out_channels, depth, convolution, activation, kernel_size, change_last)

    def forward(
        self, features: Map, output_size: tuple[int, int], encoded: Tensor | None, pool_indices: Tensor | None
    ) -> Map:
        """Take ``(N, in_channels, h, w)`` to ``(N, out_channels, *output_size)``, deferred where there is no block."""
        if is_watched(*self.project.modules()) or not self.exact_rewrites:
            features = compute(features)
        projected = self.project(features)
        if self.exact_rewrites and self._takes_deferred():
            enlarged = Enlarged(projected, self.upsampler, output_size, pool_indices)
            stacked = None if self.skip is None else self.skip.stacked(encoded)
            result = self.block(enlarged if stacked is None else Stacked([enlarged, stacked]))
            return compute(result) if is_watched(self) else result
        upsampled = self.upsampler(compute(projected), output_size, pool_indices)
        if self.skip is not None:
            upsampled = self.skip(upsampled, encoded)
        return self.block(upsampled)

    def _takes_deferred(self) -> bool:
        """Whether all that meet a deferred map know it, and nobody watches them; else the plain form runs."""
        upsampler, skip, block = self.upsampler, self.skip, self.block
        if not knows_its_exact_forms(upsampler) or is_watched(upsampler, block):
            return False
        if skip is not None and (not is_current(skip, "stacked", "forward") or is_watched(skip)):
            return False
        return len(block) == 0 or (not is_watched(block[0]) and takes_deferred(block[0].convolution))


class MirrorDecoder(nn.Module):
    """Undoes the encoder's downsampling one step at a time, up to the image's resolution, all with one upsampler.

    An encoder that never downsamples leaves it without steps, and the upsampler without use.

    Args:
        encoder: what it mirrors; only what it says of itself is read, see :mod:`segnet.models.encoders`.
        in_channels: channels of the features that arrive (of the context block).
        upsampler: factory of the upsampler, called with a channel count.
        skip: factory of the skip connection, called with the upsampled and the encoder's channel counts.
        convolution: convolution factory.
        activation: factory of the activation.
        depths: convolutions of each step's block: one number for all, a list from low to high resolution, or a mapping
            from the stride of the step's output to its depth, 0 for those not in it.
        widths: channels that leave each step, as a list or a mapping such as ``depths``. Those not given are the width
            of the next step, so that nothing has to be brought to it, and in the last step the encoder's first width;
            a step of depth 0 leaves the channels as they are.
        skip_strides: strides of the encoder's stages that a skip connection joins. None: all of them.
        kernel_size: odd number of taps of the blocks' convolutions along each axis.
        change_last: whether a block's last convolution changes the channel count, instead of its first.

    Raises:
        UserError: the upsampler needs pool indices and the encoder keeps none at some step, or ``depths``, ``widths``
            or ``skip_strides`` do not fit the encoder.

    Attributes:
        defers_last_step: whether the result may be deferred (:mod:`segnet.layers.rewrites.deferred`) where the last
            steps have no block, so that the head can run before them.
    """

    def __init__(
        self,
        encoder: nn.Module,
        in_channels: int,
        upsampler: Callable[[int], nn.Module],
        skip: Callable[[int, int], nn.Module],
        convolution: Callable[..., nn.Module],
        activation: Callable[[], nn.Module] = nn.ReLU,
        depths: Sequence[int] | Mapping[int, int] | int = 1,
        widths: Sequence[int] | Mapping[int, int] | None = None,
        skip_strides: Sequence[int] | None = None,
        kernel_size: int = 3,
        change_last: bool = False,
        project: bool = True,
    ) -> None:
        super().__init__()
        self.steps = plan_steps(encoder.channels, encoder.strides)
        joined = self._joined_strides(encoder, skip_strides)
        depths = [depths] * len(self.steps) if isinstance(depths, int) else self._by_step("depths", depths, 0)
        widths = self._by_step("widths", widths or {}, None)
        following = [step.width for step in [*self.steps[1:], *self.steps[-1:]]]
        self.stages = nn.ModuleList()
        for step, depth, width, next_width in zip(self.steps, depths, widths, following, strict=True):
            stage = DecoderStage(
                in_channels,
                step.width,
                next_width if width is None and depth > 0 else width,
                step.stride in joined,
                depth,
                upsampler,
                skip,
                convolution,
                activation,
                kernel_size,
                change_last,
                project,
            )
            self._refuse_other_width(step, stage, in_channels if not project else step.width)
            self.stages.append(stage)
            in_channels = stage.out_channels
        self.out_channels = in_channels
        self.defers_last_step = False
        self._refuse_missing_pool_indices(encoder)

    def _joined_strides(self, encoder: nn.Module, skip_strides: Sequence[int] | None) -> Sequence[int]:
        joinable = [step.stride for step in self.steps if step.stage is not None]
        if skip_strides is None:
            return joinable
        if not set(skip_strides) <= set(joinable):
            raise UserError(
                f"decoder.skip_strides={list(skip_strides)} names a stride at which {type(encoder).__name__} has no "
                f"stage to join: choose among {joinable}"
            )
        return skip_strides

    def _by_step(
        self, name: str, values: Sequence[int] | Mapping[int, int], default: int | None
    ) -> list[int] | list[int | None]:
        strides = [step.stride for step in self.steps]
        if isinstance(values, Mapping):
            if not set(values) <= set(strides):
                raise UserError(
                    f"decoder.{name}={dict(values)} names a stride that the decoder does not have behind this encoder: "
                    f"name only strides among {strides}"
                )
            return [values.get(stride, default) for stride in strides]
        if len(values) != len(strides):
            raise UserError(
                f"decoder.{name}={list(values)} has {len(values)} entries, but behind this encoder the decoder has "
                f"{len(strides)} steps, to strides {strides}: give one entry a step"
            )
        return list(values)

    def _refuse_missing_pool_indices(self, encoder: nn.Module) -> None:
        for step, stage in zip(self.steps, self.stages, strict=True):
            kept = step.stage is not None and encoder.keeps_pool_indices[step.stage]
            if getattr(stage.upsampler, "needs_pool_indices", False) and not kept:
                raise UserError(
                    f"{type(stage.upsampler).__name__} needs pool indices, but {type(encoder).__name__} keeps none on "
                    f"the way from stride {step.stride} to {2 * step.stride}: {encoder.mend_for_pool_indices}, or "
                    f"choose another upsampler than upsampler=max_unpool"
                )

    def _refuse_other_width(self, step: Step, stage: DecoderStage, upsampled: int) -> None:
        if step.stage is not None and upsampled != step.width and getattr(stage.upsampler, "needs_pool_indices", False):
            raise UserError(
                f"decoder.project=false leaves {upsampled} channels at stride {step.stride}, where the encoder pooled "
                f"{step.width}: set decoder.project=true, or choose another upsampler than upsampler=max_unpool"
            )

    def forward(self, features: Tensor, encoded: EncoderOutput, image_size: tuple[int, int]) -> Map:
        """Take the context's features ``(N, in_channels, h, w)`` to ``(N, out_channels, *image_size)``."""
        for step, stage in zip(self.steps, self.stages, strict=True):
            if is_watched(stage):
                features = compute(features)
            if step.stage is None:
                # Halving rounds up everywhere, so this is the size that a stage of this stride would have.
                size = (-(-image_size[0] // step.stride), -(-image_size[1] // step.stride))
                features = stage(features, size, None, None)
            else:
                skip = encoded.features[step.stage]
                indices = encoded.pool_indices[step.stage]
                features = stage(features, tuple(skip.shape[-2:]), skip, indices)
        return features if self.defers_last_step and not is_watched(self) else compute(features)
