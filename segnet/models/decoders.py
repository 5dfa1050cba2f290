"""The decoder: the upsampling half of the network, which mirrors the encoder step by step."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar, cast

from torch import Tensor, nn

from segnet.errors import UserError
from segnet.layers import Rules
from segnet.layers.rewrites.decision import Chosen
from segnet.layers.rewrites.upsampling import lets_pointwise_pass
from segnet.models.decoder_stages import DecoderStage, StageDesign, Upsampling, upsample
from segnet.models.encoders import EncoderOutput, reduced_size

Default = TypeVar("Default", int, None)


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
        project: whether each step brings the channels to the encoder's width before it upsamples, which max-unpool
            needs; else the upsampler works on those that arrive.

    Raises:
        UserError: the upsampler needs pool indices and the encoder keeps none at some step, or ``depths``, ``widths``
            or ``skip_strides`` do not fit the encoder.

    Attributes:
        waits: for each step whether its upsampling runs after the 1x1 convolution behind it, which is the same
            function: that of the next ``project``, or at the end that of the head. Such a step has no block.
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
        self.steps = plan_steps(cast(Sequence[int], encoder.channels), cast(Sequence[int], encoder.strides))
        joined = self._joined_strides(encoder, skip_strides)
        step_depths = [depths] * len(self.steps) if isinstance(depths, int) else self._by_step("depths", depths, 0)
        step_widths = self._by_step("widths", widths or {}, None)
        following = [step.width for step in [*self.steps[1:], *self.steps[-1:]]]
        design = StageDesign(upsampler, skip, convolution, activation, kernel_size, change_last, project)
        self.stages = nn.ModuleList()
        for step, depth, width, next_width in zip(self.steps, step_depths, step_widths, following, strict=True):
            leaving = next_width if width is None and depth > 0 else width
            stage = DecoderStage(design, in_channels, step.width, leaving, step.stride in joined, depth)
            self._refuse_other_width(step, stage, in_channels if not project else step.width)
            self.stages.append(stage)
            in_channels = stage.out_channels
        self.out_channels = in_channels
        self._refuse_missing_pool_indices(encoder)
        self.rewrite(Rules())

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

    def _by_step(self, name: str, values: Sequence[int] | Mapping[int, int], default: Default) -> list[int | Default]:
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
            kept = step.stage is not None and cast(Sequence[bool], encoder.keeps_pool_indices)[step.stage]
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

    def rewrite(self, rules: Rules | None) -> None:
        """Choose by these rules which upsamplings wait, or with None the plain form."""
        self.rules = rules
        waits: list[bool] = []
        stands_before_pointwise = True  # the head comes behind the last step
        for stage in reversed(cast(Sequence[DecoderStage], self.stages)):
            moves = (
                rules is not None
                and stands_before_pointwise
                and stage.only_upsamples
                and lets_pointwise_pass(stage.upsampler, rules)
            )
            waits.insert(0, moves)
            stands_before_pointwise = moves or not isinstance(stage.project, nn.Identity)
        self.waits = tuple(waits)
        self.chosen = Chosen(self._reordered())

    def _reordered(self) -> list[nn.Module]:
        """List the modules that run in another order than in the plain form, or not as a whole."""
        if not any(self.waits):
            return []
        stages = cast(Sequence[DecoderStage], self.stages)
        projections = [module for stage in stages for module in (stage.project, *stage.project.children())]
        return [*stages, *(stage.upsampler for stage in stages), *projections]

    def run(
        self, features: Tensor, encoded: EncoderOutput, image_size: tuple[int, int]
    ) -> tuple[Tensor, list[Upsampling]]:
        """Run the steps, but for the upsamplings at the end that wait for the head; return those beside the features.

        Where a module that it would reorder is not what it was when that was decided, nothing waits.
        """
        reorders = self.chosen.are_unchanged(self._reordered())
        waiting: list[Upsampling] = []
        stages = cast(Sequence[DecoderStage], self.stages)
        for step, stage, waits in zip(self.steps, stages, self.waits, strict=True):
            # Halving rounds up everywhere, so this is the size that a stage of this stride has, or would have.
            size = reduced_size(image_size, step.stride)
            skip, indices = None, None
            if step.stage is not None:
                skip, indices = encoded.features[step.stage], encoded.pool_indices[step.stage]
                size = skip.shape[-2], skip.shape[-1]
            is_projected = reorders and (waits or bool(waiting)) and not isinstance(stage.project, nn.Identity)
            if is_projected:
                features, waiting = stage.project_first(features, waiting, cast(Rules, self.rules)), []
            if reorders and waits:
                waiting.append(Upsampling(stage.upsampler, size))
            else:
                features = stage(features, size, skip, indices, is_projected)
        return features, waiting

    def forward(self, features: Tensor, encoded: EncoderOutput, image_size: tuple[int, int]) -> Tensor:
        """Take the context's features ``(N, in_channels, h, w)`` to ``(N, out_channels, *image_size)``."""
        return upsample(*self.run(features, encoded, image_size))

    def extra_repr(self) -> str:
        """Show which upsamplings wait."""
        waiting = [str(index) for index, waits in enumerate(self.waits) if waits]
        return f"upsampling of {', '.join(waiting)} after the 1x1 behind it" if waiting else ""
