"""2x2 max-pooling with one byte for each pool index, and its inverse, as Triton kernels.

The functions do what their namesakes in :mod:`segnet.layers.pooling.torch_kernels` do, bit by bit; the results have the
layout of the features, or of the pool indices. Each result value is computed by one program and written once: no
atomics, so the same bits each time. They are torch operators (``torch.ops.segnet.max_pool_2x2`` and so on) with shapes
known to the compiler, and run wherever Triton does; under ``TRITON_INTERPRET=1`` that includes the CPU.

Import this module only where Triton is installed.
"""

from collections.abc import Callable
from contextlib import nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

from segnet.layers.pooling.torch_kernels import empty_maps, halved, layout_of

BLOCK = 1024
_BITS = {8: torch.int64, 4: torch.int32, 2: torch.int16}  # by the bytes of a value


@triton.jit
def _coordinates_of(index, channels, height, width, channels_last: tl.constexpr):
    """Split the flat index of a dense map into its plane's number, channel, row and column."""
    if channels_last:
        channel, pixel = index % channels, index // channels
        return pixel // (height * width), channel, pixel // width % height, pixel % width
    plane = index // (height * width)
    return plane // channels, plane % channels, index // width % height, index % width


@triton.jit
def _index_of(sample, channel, row, column, channels, height, width, channels_last: tl.constexpr):
    if channels_last:
        return ((sample * height + row) * width + column) * channels + channel
    return ((sample * channels + channel) * height + row) * width + column


@triton.jit
def _pool_kernel(
    features,
    values,
    pool_indices,
    count,
    channels,
    height,
    width,
    last: tl.constexpr,
    block: tl.constexpr,
    wide_type: tl.constexpr,
):
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    index = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = index < count
    sample, channel, row, column = _coordinates_of(index, channels, half_height, half_width, last)
    start = _index_of(sample, channel, 2 * row, 2 * column, channels, height, width, last)
    best = tl.load(features + start, mask=inside)
    pool_index = tl.zeros((block,), dtype=tl.uint8)
    for candidate in tl.static_range(1, 4):
        below, beside = candidate // 2, candidate % 2
        there = inside & (2 * row + below < height) & (2 * column + beside < width)
        position = _index_of(sample, channel, 2 * row + below, 2 * column + beside, channels, height, width, last)
        value = tl.load(features + position, mask=there, other=0)
        # The first of equal values, the last NaN. Half precision is compared in float32, which holds all its values.
        wide, wide_best = value.to(wide_type), best.to(wide_type)
        beats = there & ((wide > wide_best) | (wide != wide))
        best = tl.where(beats, value, best)
        pool_index = tl.where(beats, candidate, pool_index).to(tl.uint8)
    tl.store(values + index, best, mask=inside)
    tl.store(pool_indices + index, pool_index, mask=inside)


@triton.jit
def _unpool_kernel(
    values, pool_indices, planes, count, channels, height, width, last: tl.constexpr, block: tl.constexpr
):
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    index = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = index < count
    sample, channel, row, column = _coordinates_of(index, channels, height, width, last)
    window = _index_of(sample, channel, row // 2, column // 2, channels, half_height, half_width, last)
    pool_index = tl.load(pool_indices + window, mask=inside, other=0)
    here = pool_index == row % 2 * 2 + column % 2
    value = tl.load(values + window, mask=inside & here, other=0)
    tl.store(planes + index, value, mask=inside)


@triton.jit
def _take_kernel(planes, pool_indices, values, count, channels, height, width, last: tl.constexpr, block: tl.constexpr):
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    index = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = index < count
    sample, channel, row, column = _coordinates_of(index, channels, half_height, half_width, last)
    pool_index = tl.load(pool_indices + index, mask=inside, other=0).to(tl.int64)
    row, column = 2 * row + pool_index // 2, 2 * column + pool_index % 2
    there = inside & (row < height) & (column < width)
    position = _index_of(sample, channel, row, column, channels, height, width, last)
    tl.store(values + index, tl.load(planes + position, mask=there, other=0), mask=inside)


def pool(features: Tensor) -> tuple[Tensor, Tensor]:
    """Pool ``(N, C, H, W)`` to values and pool indices."""
    pooled: tuple[Tensor, Tensor] = torch.ops.segnet.max_pool_2x2(features)
    return pooled


def unpool(values: Tensor, pool_indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Put each of ``(N, C, h, w)`` at its pool index in ``(N, C, *size)``, zeros elsewhere."""
    planes: Tensor = torch.ops.segnet.max_unpool_2x2(values, pool_indices, *size)
    return planes


def take(plane: Tensor, pool_indices: Tensor) -> Tensor:
    """Read ``(N, C, H, W)`` at the pool indices: ``(N, C, h, w)``."""
    values: Tensor = torch.ops.segnet.take_2x2(plane, pool_indices)
    return values


def _empty_pooled(features: Tensor) -> tuple[Tensor, Tensor]:
    size = halved(features.shape[-2:])
    return empty_maps(features, size), empty_maps(features, size, torch.uint8)


def _empty_planes(values: Tensor, pool_indices: Tensor, height: int, width: int) -> Tensor:
    return empty_maps(pool_indices, (height, width), values.dtype)


def _empty_taken(plane: Tensor, pool_indices: Tensor) -> Tensor:
    return empty_maps(pool_indices, pool_indices.shape[-2:], plane.dtype)


def _run_pool(features: Tensor) -> tuple[Tensor, Tensor]:
    values, pool_indices = _empty_pooled(features)
    features = features.contiguous(memory_format=layout_of(features))
    wide = tl.float64 if features.dtype == torch.float64 else tl.float32
    _launch(_pool_kernel, features, values, pool_indices, values.numel(), features, wide_type=wide)
    return values, pool_indices


def _run_unpool(values: Tensor, pool_indices: Tensor, height: int, width: int) -> Tensor:
    planes = _empty_planes(values, pool_indices, height, width)
    values, pool_indices = (maps.contiguous(memory_format=layout_of(pool_indices)) for maps in (values, pool_indices))
    _launch(_unpool_kernel, _bits(values), pool_indices, _bits(planes), planes.numel(), planes)
    return planes


def _run_take(plane: Tensor, pool_indices: Tensor) -> Tensor:
    values = _empty_taken(plane, pool_indices)
    plane, pool_indices = (maps.contiguous(memory_format=layout_of(pool_indices)) for maps in (plane, pool_indices))
    _launch(_take_kernel, _bits(plane), pool_indices, _bits(values), values.numel(), plane)
    return values


def _bits(maps: Tensor) -> Tensor:
    """View values as integers: what is only moved needs no kernel of its own type."""
    return maps.view(_BITS[maps.element_size()])


def _launch(
    kernel: triton.JITFunction,
    first: Tensor,
    second: Tensor,
    third: Tensor,
    count: int,
    large: Tensor,
    **constants: tl.dtype,
) -> None:
    """Run one program for each :data:`BLOCK` result values; ``large`` is the map of full size."""
    if count == 0:
        return
    _, channels, height, width = large.shape
    channels_last = layout_of(large) is torch.channels_last
    # Triton launches on the current device, which need not be the tensors' own.
    with torch.cuda.device(large.device) if large.is_cuda else nullcontext():
        kernel[(triton.cdiv(count, BLOCK),)](
            first, second, third, count, channels, height, width, last=channels_last, block=BLOCK, **constants
        )


_OPERATORS: dict[str, tuple[str, Callable[..., object], Callable[..., object]]] = {
    "max_pool_2x2": ("(Tensor features) -> (Tensor, Tensor)", _run_pool, _empty_pooled),
    "max_unpool_2x2": (
        "(Tensor values, Tensor pool_indices, SymInt height, SymInt width) -> Tensor",
        _run_unpool,
        _empty_planes,
    ),
    "take_2x2": ("(Tensor plane, Tensor pool_indices) -> Tensor", _run_take, _empty_taken),
}
for _name, (_schema, _run, _fake) in _OPERATORS.items():
    torch.library.define(f"segnet::{_name}", _schema)
    torch.library.impl(f"segnet::{_name}", "default", _run)
    torch.library.register_fake(f"segnet::{_name}", _fake)
