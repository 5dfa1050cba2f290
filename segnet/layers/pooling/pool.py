"""Downsampling between two encoder stages, and the inverse of max-pooling.

Contract, for both classes: ``forward((N, C, H, W))`` returns ``(features, pool_indices)`` with features of
``(N, C, ceil(H / 2), ceil(W / 2))``. Rounding up means that every size from 1 pixel up can be halved.

Pool indices are ``(N, C, h, w)`` uint8, 0 to 3: the place in the 2x2 window, in reading order. They are all that a
pooling or an unpooling keeps for its backward pass. Where that runs fastest depends on the device: see
:mod:`segnet.layers.pooling.torch_kernels` and, on CUDA, :mod:`segnet.layers.pooling.triton_kernels`. All give the
same bits, each time.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd import Function

from segnet.layers.convolution import ConvNormAct
from segnet.layers.pooling import torch_kernels


class MaxPool(nn.Module):
    """2x2 max-pooling that remembers where each maximum came from.

    The pool indices are ``(N, C, h, w)`` uint8, see the module; :func:`flat_pool_indices` makes torch's of them.
    """

    keeps_pool_indices: ClassVar[bool] = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool ``(N, C, H, W)``; ties go to the first pixel in reading order."""
        return max_pool(features)


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
        downsampled: Tensor = self.block(features)
        return downsampled, None


def max_pool(features: Tensor) -> tuple[Tensor, Tensor]:
    """Pool ``(N, C, H, W)`` over 2x2 windows, the last ones cut where a size is odd.

    Values and gradients have the bits of ``F.max_pool2d``, but that a gradient of -0.0 stays what it is. The gradient
    may be differentiated again, and ``torch.func`` may map and differentiate both.

    Returns:
        The pooled features, in the layout of ``features``, and the pool indices, see the module.
    """
    # What torch.export captures has torch's operators alone, and is differentiated by their own derivatives.
    pooled: tuple[Tensor, Tensor] = _pool(features) if torch.compiler.is_exporting() else _Pool.apply(features)
    return pooled


def max_unpool(features: Tensor, pool_indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Put each feature at its pool index in a plane of zeros: ``(N, C, h, w)`` to ``(N, C, *output_size)``.

    Values and gradients have the bits of ``F.max_unpool2d``, without its refusal of deterministic mode. An output whose
    size halving does not bring to the features' has cells of one or two pixels a side, as with nearest neighbour: there
    the pool index chooses among the pixels that its cell has.

    Raises:
        ValueError: features and pool indices differ in shape, or these are no uint8.
    """
    if features.shape != pool_indices.shape:
        raise ValueError(
            f"max-unpool needs a pool index for each feature: the features are {tuple(features.shape)}, "
            f"the pool indices {tuple(pool_indices.shape)}"
        )
    if pool_indices.dtype != torch.uint8:
        raise ValueError(f"max-unpool needs pool indices of MaxPool, 0 to 3 in uint8, not {pool_indices.dtype}")
    layout = torch_kernels.layout_of(features)
    if torch_kernels.layout_of(pool_indices) is not layout:
        pool_indices = pool_indices.contiguous(memory_format=layout)
    if torch_kernels.halved(output_size) == tuple(features.shape[-2:]):
        if torch.compiler.is_exporting():
            return _unpool(features, pool_indices, output_size)
        unpooled: Tensor = _Unpool.apply(features, pool_indices, *output_size)
        return unpooled
    index = flat_pool_indices(pool_indices, output_size)
    plane = features.new_zeros((*features.shape[:2], output_size[0] * output_size[1]))
    unpooled = plane.scatter(2, index.flatten(2), features.flatten(2)).unflatten(2, output_size)
    return unpooled.contiguous(memory_format=layout)


def flat_pool_indices(pool_indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Return what torch calls the pool indices: flat positions in the plane of ``output_size``, int64.

    Args:
        pool_indices: ``(N, C, h, w)`` uint8, see the module.
        output_size: (H, W), each 1x to 2x of the pool indices' size; see :func:`max_unpool`.
    """
    positions: list[Tensor] = []
    for offsets, size, extent in zip(
        (pool_indices >> 1, pool_indices & 1), pool_indices.shape[-2:], output_size, strict=True
    ):
        edges = (torch.arange(size + 1, device=pool_indices.device) * extent + size - 1) // size
        first, last = edges[:-1], edges[1:] - 1
        if len(positions) == 0:
            first, last = first[:, None], last[:, None]
        positions.append(torch.minimum(first + offsets, last))
    return positions[0] * output_size[1] + positions[1]


@cache
def _triton_form() -> ModuleType | None:
    """Import the Triton kernels where Triton is installed; it is not there on every platform."""
    if importlib.util.find_spec("triton") is None:
        return None
    from segnet.layers.pooling import triton_kernels

    return triton_kernels


def _pool(features: Tensor) -> tuple[Tensor, Tensor]:
    if features.is_cuda and (kernels := _triton_form()) is not None:
        pooled: tuple[Tensor, Tensor] = kernels.pool(features)
        return pooled
    form = torch_kernels.pool_on_cpu if _runs_on_cpu(features) else torch_kernels.pool
    return form(features)


def _unpool(values: Tensor, pool_indices: Tensor, size: tuple[int, int]) -> Tensor:
    if values.is_cuda and (kernels := _triton_form()) is not None:
        plane: Tensor = kernels.unpool(values, pool_indices, size)
        return plane
    form = torch_kernels.unpool_on_cpu if _runs_on_cpu(values) else torch_kernels.unpool
    return form(values, pool_indices, size)


def _take(plane: Tensor, pool_indices: Tensor) -> Tensor:
    if plane.is_cuda and (kernels := _triton_form()) is not None:
        values: Tensor = kernels.take(plane, pool_indices)
        return values
    form = torch_kernels.take_on_cpu if _runs_on_cpu(plane) else torch_kernels.take
    return form(plane, pool_indices)


def _runs_on_cpu(maps: Tensor) -> bool:
    # Both are for a compiler, which fuses comparisons, or for another runtime, which has no operators of torch's.
    return maps.device.type == "cpu" and not (torch.compiler.is_compiling() or torch.compiler.is_exporting())


class _Pool(Function):
    """Features to values and pool_indices."""

    @staticmethod
    def forward(features: Tensor) -> tuple[Tensor, Tensor]:
        return _pool(features)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        (features,), (_, pool_indices) = inputs, output
        ctx.mark_non_differentiable(pool_indices)
        ctx.save_for_backward(pool_indices)
        ctx.size = tuple(features.shape[-2:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor | None) -> Tensor:
        plane: Tensor = _Unpool.apply(gradient, *ctx.saved_tensors, *ctx.size)
        return plane

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], features: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
        (features,) = _into_batch(info.batch_size, in_dims, features)
        return tuple(_out_of_batch(info.batch_size, output) for output in _Pool.apply(features)), (0, 0)


class _Unpool(Function):
    """Values and pool_indices to a plane that has the values there."""

    @staticmethod
    def forward(values: Tensor, pool_indices: Tensor, height: int, width: int) -> Tensor:
        return _unpool(values, pool_indices, (height, width))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _Take.apply(gradient, *ctx.saved_tensors), None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], values: Tensor, pool_indices: Tensor, height: int, width: int
    ) -> tuple[Tensor, int]:
        values, pool_indices = _into_batch(info.batch_size, in_dims, values, pool_indices)
        return _out_of_batch(info.batch_size, _Unpool.apply(values, pool_indices, height, width)), 0


class _Take(Function):
    """A plane and pool_indices to the values there."""

    @staticmethod
    def forward(plane: Tensor, pool_indices: Tensor) -> Tensor:
        return _take(plane, pool_indices)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        plane, pool_indices = inputs
        ctx.save_for_backward(pool_indices)
        ctx.size = tuple(plane.shape[-2:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Unpool.apply(gradient, *ctx.saved_tensors, *ctx.size), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], plane: Tensor, pool_indices: Tensor) -> tuple[Tensor, int]:
        plane, pool_indices = _into_batch(info.batch_size, in_dims, plane, pool_indices)
        return _out_of_batch(info.batch_size, _Take.apply(plane, pool_indices)), 0


def _into_batch(count: int, in_dims: tuple[int | None, ...], *tensors: Tensor) -> list[Tensor]:
    """Join the axis that ``torch.func.vmap`` maps over with the batch: ``(count * N, C, H, W)`` each."""
    moved = [
        tensor.expand(count, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
        for tensor, axis in zip(tensors, in_dims, strict=False)
    ]
    return [tensor.flatten(0, 1) for tensor in moved]


def _out_of_batch(count: int, tensor: Tensor) -> Tensor:
    mapped: Tensor = tensor.unflatten(0, (count, tensor.shape[0] // count))
    return mapped
