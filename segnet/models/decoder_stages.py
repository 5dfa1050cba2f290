"""One step of the decoder, in its plain form and in the cheaper form that was chosen when it was built."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from torch import Tensor, nn

from segnet.layers import ConvBlock, ConvNormAct, RegularConvolution, Rules
from segnet.layers.rewrites.decision import Chosen
from segnet.layers.rewrites.upsampling import UpsampledConvolution, fuse
from segnet.models.skips import STACKING, NoSkip


@dataclass(frozen=True)
class StageDesign:
    """What all stages of a decoder have in common.

    Attributes:
        upsampler: factory of the upsampler, called with the channels that it works on.
        skip: factory of the skip connection, called with the upsampled channels and the encoder stage's.
        convolution: convolution factory of the block.
        activation: factory of the activation.
        kernel_size: odd number of taps of the block's convolutions along each axis.
        change_last: whether the block's last convolution changes the channel count, instead of its first.
        project: whether the channels are brought to the encoder stage's first; else the upsampler works on those that
            arrive.
    """

    upsampler: Callable[[int], nn.Module]
    skip: Callable[[int, int], nn.Module]
    convolution: Callable[..., nn.Module]
    activation: Callable[[], nn.Module] = nn.ReLU
    kernel_size: int = 3
    change_last: bool = False
    project: bool = True


class DecoderStage(nn.Module):
    """One step of the decoder: bring the channels to the encoder's width, upsample, join the skip, run the block.

    Args:
        design: what it has in common with the other stages.
        in_channels: channels that arrive.
        width: channels that the matching encoder stage had when it pooled.
        out_channels: channels that leave; None: those that there are after the skip connection.
        joins_skip: whether there is an encoder stage to join.
        depth: convolutions of the block.

    Attributes:
        exact: what runs in place of upsampler, skip connection and the block's first convolution
            (:mod:`segnet.layers.rewrites.upsampling`); None where nothing cheaper is exact.
    """

    def __init__(
        self,
        design: StageDesign,
        in_channels: int,
        width: int,
        out_channels: int | None,
        joins_skip: bool,
        depth: int,
    ) -> None:
        super().__init__()
        upsampled = width if design.project else in_channels
        # Regular whatever the block's convolution is: a 1x1 has no space to separate or to dilate.
        self.project: nn.Module = (
            nn.Identity()
            if in_channels == upsampled
            else ConvNormAct(in_channels, width, RegularConvolution, design.activation, kernel_size=1)
        )
        self.upsampler = design.upsampler(upsampled)
        self.skip: Any = design.skip(upsampled, width) if joins_skip else None
        joined = cast(int, self.skip.out_channels) if self.skip is not None else upsampled
        self.out_channels = joined if out_channels is None else out_channels
        self.block = ConvBlock(
            joined,
            self.out_channels,
            depth,
            design.convolution,
            design.activation,
            design.kernel_size,
            design.change_last,
        )
        self.rewrite(Rules())

    def rewrite(self, rules: Rules | None) -> None:
        """Choose the cheaper form by these rules, or with None the plain form."""
        self.exact: UpsampledConvolution | None = None
        is_known = self.skip is None or type(self.skip) in (NoSkip, *STACKING)
        if rules is not None and is_known and len(self.block) > 0:
            first = cast(ConvNormAct, self.block[0])
            self.exact = fuse(self.upsampler, first.convolution, rules, type(self.skip) in STACKING)
        self.chosen = Chosen(self._replaced())

    def _replaced(self) -> list[nn.Module]:
        """List the modules that the cheaper form does not call as the plain form does."""
        replaced = [self.upsampler, *([] if self.skip is None else [self.skip]), self.block]
        if len(self.block) > 0:
            first = cast(ConvNormAct, self.block[0])
            replaced += [first, *first.convolution.modules()]
        return replaced

    @property
    def only_upsamples(self) -> bool:
        """Whether nothing but the upsampler stands behind ``project``."""
        return len(self.block) == 0 and (self.skip is None or type(self.skip) is NoSkip)

    def forward(
        self,
        features: Tensor,
        output_size: tuple[int, int],
        encoded: Tensor | None,
        pool_indices: Tensor | None,
        is_projected: bool = False,
    ) -> Tensor:
        """Take ``(N, in_channels, h, w)`` to ``(N, out_channels, *output_size)``.

        ``is_projected`` says that the features went through ``project`` before they came.
        """
        projected = features if is_projected else self.project(features)
        if self.exact is not None and self.chosen.are_unchanged(self._replaced()):
            stacked = self.skip.encoded_part(encoded) if self.exact.is_stacked else None
            output: Tensor = self.exact(projected, output_size, stacked, pool_indices)
            for module in [*list(cast(ConvNormAct, self.block[0]))[1:], *list(self.block)[1:]]:
                output = module(output)
            return output
        upsampled = self.upsampler(projected, output_size, pool_indices)
        if self.skip is not None:
            upsampled = self.skip(upsampled, encoded)
        output = self.block(upsampled)
        return output

    def project_first(self, features: Tensor, waiting: "list[Upsampling]", rules: Rules) -> Tensor:
        """Run ``project`` with its 1x1 convolution before the upsamplings that wait in front of it.

        Returns:
            The features projected, and upsampled by those.
        """
        if not waiting:
            projected: Tensor = self.project(features)
            return projected
        for upsampling in waiting:
            rules.note(f"{type(upsampling.upsampler).__name__} + 1x1 -> 1x1 first")
        project = cast(ConvNormAct, self.project)
        upsampled = upsample(project.convolution(features), waiting)
        projected = project.activation(project.norm(upsampled))
        return projected


class Upsampling(NamedTuple):
    """An upsampling that waits until the 1x1 convolution behind it has run.

    Attributes:
        upsampler: what upsamples.
        output_size: height and width of its result.
    """

    upsampler: nn.Module
    output_size: tuple[int, int]


def upsample(features: Tensor, waiting: Sequence[Upsampling]) -> Tensor:
    """Run upsamplings one after the other: ``(N, C, h, w)`` to ``(N, C, *output_size)`` of the last."""
    for upsampler, output_size in waiting:
        features = upsampler(features, output_size)
    return features
