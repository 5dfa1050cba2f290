"""Ways to join parallel branches, and the atrous convolution joined with the regular one (the notes).

A *fusion factory* is called as ``fusion(out_channels, branches)`` with the names of the branches. The fusion says in
``branch_channels`` how many channels it expects from each, and takes the list of their outputs, ``(N, c_i, H, W)``, to
``(N, out_channels, H, W)``.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn

from segnet.errors import UserError
from segnet.layers.convolution import RegularConvolution


class ConcatFusion(nn.Module):
    """Each branch makes its share of the output channels; the shares are stacked.

    Raises:
        UserError: there are fewer channels than branches.
    """

    def __init__(self, out_channels: int, branches: Sequence[str]) -> None:
        super().__init__()
        share, rest = divmod(out_channels, len(branches))
        if share == 0:
            raise UserError(
                f"fusion=concat cannot share {out_channels} channels among {len(branches)} branches: "
                f"choose fusion=sum or wider stages"
            )
        self.branch_channels = tuple(share + (index < rest) for index in range(len(branches)))

    def forward(self, outputs: list[Tensor]) -> Tensor:
        """Stack along the channels."""
        return torch.cat(outputs, dim=1)


class SumFusion(nn.Module):
    """The branches are added."""

    def __init__(self, out_channels: int, branches: Sequence[str]) -> None:
        super().__init__()
        self.branch_channels = (out_channels,) * len(branches)

    def forward(self, outputs: list[Tensor]) -> Tensor:
        """Add."""
        return reduce(torch.add, outputs)


class LinearFusion(nn.Module):
    """A linear combination with one learned weight a branch; it starts as the sum.

    Attributes:
        weight: ``(B,)``, in the order of the branches.
    """

    def __init__(self, out_channels: int, branches: Sequence[str]) -> None:
        super().__init__()
        self.branches = tuple(branches)
        self.branch_channels = (out_channels,) * len(branches)
        self.weight = nn.Parameter(torch.ones(len(branches)))

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Set every weight to one; nothing is drawn."""
        nn.init.ones_(self.weight)

    def forward(self, outputs: list[Tensor]) -> Tensor:
        """Combine."""
        weighted = (weight * output for weight, output in zip(self.weight, outputs, strict=True))
        combined: Tensor = reduce(torch.add, weighted)
        return combined

    def fusion_weights(self) -> dict[str, float]:
        """Return the present weight of each branch by name."""
        return dict(zip(self.branches, self.weight.detach().tolist(), strict=True))


def fusion_weights(network: nn.Module) -> dict[str, float]:
    """Collect the weights of all linear fusions in a network: ``{"encoder.stages.0...fusion/atrous": 1.0, ...}``."""
    return {
        f"{name}/{branch}": weight
        for name, module in network.named_modules()
        if isinstance(module, LinearFusion)
        for branch, weight in module.fusion_weights().items()
    }


class AtrousRegularConvolution(nn.Module):
    """A regular and an atrous convolution of the same input, joined (the notes, "Other considerations", 3).

    The regular one sees the neighbours, the atrous one the context, for two kernels' parameters at most. A kernel
    of one tap has no dilation: both branches would be the same, so there is only the regular one and no fusion.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: odd number of taps along each axis, of both kernels.
        stride: step between two outputs.
        dilation: step between two taps of the atrous branch.
        fusion: fusion factory: concatenation, sum or linear combination.
        convolution: factory of both branches; it takes ``dilation``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 2,
        fusion: Callable[[int, Sequence[str]], nn.Module] = ConcatFusion,
        convolution: Callable[..., nn.Module] = RegularConvolution,
    ) -> None:
        super().__init__()
        if kernel_size == 1:
            self.fusion: nn.Module | None = None
            self.regular = convolution(in_channels, out_channels, kernel_size=1, stride=stride)
            return
        self.fusion = fusion(out_channels, ("regular", "atrous"))
        near, far = cast(tuple[int, int], self.fusion.branch_channels)
        self.regular = convolution(in_channels, near, kernel_size=kernel_size, stride=stride)
        self.atrous = convolution(in_channels, far, kernel_size=kernel_size, stride=stride, dilation=dilation)

    def forward(self, features: Tensor) -> Tensor:
        """Take ``(N, in_channels, H, W)`` to ``(N, out_channels, ceil(H / stride), ceil(W / stride))``."""
        regular: Tensor = self.regular(features)
        if self.fusion is None:
            return regular
        joined: Tensor = self.fusion([regular, self.atrous(features)])
        return joined
