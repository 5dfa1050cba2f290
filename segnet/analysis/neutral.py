"""A network in which every path carries something: the copy from which the theoretical receptive field is read.

In the copy all weights are positive, and whatever could hide a path is replaced while it runs: activations and norms
are left out, a maximum becomes a sum or a mean over all its candidates, and a softmax or a gate becomes a smooth
function that grows with its input. A change of the image then changes exactly those outputs that it can reach. The
change is carried along by forward-mode differentiation (dual numbers), so that no constant of the network is
mistaken for one; at each convolution it is set back to one or zero, so that no depth makes it overflow or vanish.
"""

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from segnet.layers import MaxPool, Nearest, use_exact_rewrites

# By the names of torch's functions; in-place ones add an underscore.
IDENTITIES = (
    {"relu", "relu6", "leaky_relu", "prelu", "rrelu", "threshold", "elu", "selu", "celu", "gelu", "silu", "mish"}
    | {"hardtanh", "hardswish", "softplus", "softsign", "logsigmoid", "log_softmax", "softshrink", "hardshrink"}
    | {"clamp", "clamp_min", "clamp_max", "clip"}
    | {"dropout", "dropout1d", "dropout2d", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"}
    | {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm", "normalize"}
)
RENEWALS = {"conv2d", "conv_transpose2d", "linear", "matmul", "einsum"}
GATES = {"sigmoid", "hardsigmoid", "softmax", "tanh"}
GLOBAL_POOLS = {"adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices"}


def neutral_copy(network: nn.Module) -> nn.Module:
    """Copy ``network`` to the CPU in evaluation mode, all weights positive; to be run inside :class:`Neutral`.

    The weights differ from each other, so that paths of opposite sign (bicubic interpolation has some) never cancel.
    An unpooling, which puts a value at one position of its window, becomes nearest neighbour, which puts it at all;
    the pooling becomes torch's own, which :class:`Neutral` replaces while it runs.
    """
    network = copy.deepcopy(network).float().cpu().eval().requires_grad_(False)
    use_exact_rewrites(network, False)  # an exact form may take off again what it added too much
    generator = torch.Generator().manual_seed(0)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if getattr(child, "needs_pool_indices", False):
                setattr(module, name, Nearest(cast(int, child.channels)))
            elif isinstance(child, MaxPool):
                setattr(module, name, _TorchPool())
    for parameter in network.parameters():
        if parameter.dim() < 2:
            parameter.fill_(1.0)
        else:
            inputs = parameter[0].numel()
            parameter.copy_((0.5 + torch.rand(parameter.shape, generator=generator)) / inputs)
    return network


class _TorchPool(nn.Module):
    """Stands in for :class:`segnet.layers.MaxPool`; nothing in the copy unpools."""

    def forward(self, features: Tensor) -> tuple[Tensor, None]:
        return F.max_pool2d(features, kernel_size=2, stride=2, ceil_mode=True), None


class Neutral(TorchFunctionMode):
    """While it is on, functions that could hide a path are replaced.

    Args:
        cut_global_pools: whether pooling over the whole map, or over a fixed number of cells, passes nothing on.
        axis: 2 for rows, 3 for columns.
        length: image pixels along that axis.

    Attributes:
        has_global_pools: whether there was one so far.
        reach: image pixels along the axis that all convolutions so far would span if each followed the other; no path
            through gaps (of atrous convolutions) can jump farther.
    """

    def __init__(self, cut_global_pools: bool, axis: int, length: int) -> None:
        super().__init__()
        self.cut_global_pools = cut_global_pools
        self.axis, self.length = axis, length
        self.has_global_pools = False
        self.reach = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").removesuffix("_")
        if name in IDENTITIES:
            return args[0]
        if name in GATES:
            return args[0] / (1 + args[0].abs())
        if name in ("maximum", "minimum"):
            return args[0] + args[1]
        if name in ("max_pool2d", "max_pool2d_with_indices"):
            return _sum_pool(func, *args, **kwargs)
        if name == "grid_sample":
            return _sample_at_start(*args, **kwargs)
        if name in GLOBAL_POOLS or _is_global_mean(name, args, kwargs):
            return self._global_pool(func, name, args, kwargs)
        if name == "conv2d":
            self._note_reach(*args, **kwargs)
        result = func(*args, **kwargs)
        return _renew(result) if name in RENEWALS else result

    def _note_reach(self, features: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> None:
        dilation = _pair(kwargs.get("dilation", args[3] if len(args) > 3 else 1))[self.axis - 2]
        stride = max(1, round(self.length / features.shape[self.axis]))
        self.reach += (weight.shape[self.axis] - 1) * dilation * stride

    def _global_pool(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.has_global_pools = True
        result = F.adaptive_avg_pool2d(*args[:2]) if name.startswith("adaptive_max") else func(*args, **kwargs)
        return forward_ad.unpack_dual(result).primal if self.cut_global_pools else result


def _renew(result: Tensor) -> Tensor:
    """Set values to one, and their changes to one or zero."""
    primal, tangent = forward_ad.unpack_dual(result)
    ones = torch.ones_like(primal)
    return ones if tangent is None else forward_ad.make_dual(ones, (tangent != 0).to(primal.dtype))


def _is_global_mean(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether this is the mean of a feature map over both its axes."""
    if name != "mean" or args[0].dim() != 4:
        return False
    axes = kwargs.get("dim", args[1] if len(args) > 1 else (2, 3))
    return not isinstance(axes, int) and axes is not None and {axis % 4 for axis in axes} >= {2, 3}


def _sum_pool(
    func: Any,
    features: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Add what a max-pooling chooses from; the pool indices are the real ones."""
    kernel, step, pad, gap = (_pair(value) for value in (kernel_size, stride or kernel_size, padding, dilation))
    real, indices = F.max_pool2d(features.detach(), kernel, step, pad, gap, ceil_mode=ceil_mode, return_indices=True)
    # What the last windows need beyond the map, which ceil_mode allows.
    beyond = [
        max(
            0,
            (real.shape[axis] - 1) * step[axis] + gap[axis] * (kernel[axis] - 1) + 1 - features.shape[axis] - pad[axis],
        )
        for axis in (-2, -1)
    ]
    padded = F.pad(features.flatten(0, 1)[:, None], (pad[1], beyond[1], pad[0], beyond[0]))
    ones = features.new_full((1, 1, *kernel), 1 / (kernel[0] * kernel[1]))
    sums = F.conv2d(padded, ones, stride=step, dilation=gap)[..., : real.shape[-2], : real.shape[-1]]
    sums = sums.reshape(real.shape)
    return (sums, indices) if return_indices or "indices" in func.__name__ else sums


def _pair(value: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _sample_at_start(features: Tensor, grid: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Stand in for a sampling at learned positions: at those of an evenly spaced grid, which it starts from.

    What the positions were computed from is kept as a path.
    """
    sampled = F.interpolate(features, size=grid.shape[1:3], mode="bilinear", align_corners=False)
    return sampled + grid.sum(dim=-1)[:, None]
