"""2x2 max-pooling with one byte for each place, and its inverse, in torch's own operators.

The *pool indices* are ``(N, C, h, w)`` uint8: where in its 2x2 window a maximum stood, 0 to 3 in reading order. None
may point beyond a window cut at the border. The functions know nothing of gradients;
:mod:`segnet.layers.pooling.pool` does.

Each comes twice. :func:`pool`, :func:`unpool` and :func:`take` consist of comparisons and selections alone, for a
compiler to fuse and for any device; they neither need atomics nor refuse deterministic mode. The ``*_on_cpu``
functions give the same bits from the operators that are vectorised on a CPU, which comparisons are not: integers
are multiplied, and torch's own pooling runs in the layout in which it is fastest.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segnet.layers.exporting import exports_doubling

_POOLING = ([2, 2], [2, 2], [0, 0], [1, 1], True)  # kernel, stride, padding, dilation, ceil_mode
_INTEGERS = {8: torch.int64, 4: torch.int32, 2: torch.int16}  # by the bytes of a value


def layout_of(maps: Tensor) -> torch.memory_format:
    """Return the memory format that ``(N, C, H, W)`` has, or that it was cut from."""
    if maps.is_contiguous() or maps.stride(1) != 1:
        return torch.contiguous_format
    return torch.channels_last


def empty_maps(like: Tensor, size: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """Return uninitialised ``(N, C, *size)`` in the layout, and of the type, of ``like``."""
    return torch.empty(
        (*like.shape[:2], *size), dtype=dtype or like.dtype, device=like.device, memory_format=layout_of(like)
    )


def halved(size: Sequence[int]) -> tuple[int, int]:
    """Halve, rounding up."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def pool(features: Tensor) -> tuple[Tensor, Tensor]:
    """Pool ``(N, C, H, W)`` to values and pool indices; ties, and NaN, are resolved as torch's own max-pooling does."""
    padded = _pad_to_even(features, -torch.inf)
    first, second, third, fourth = _windows(padded)
    # Of the two in a row, then of the two winners, the first if they tie; of several NaN the last.
    in_upper, in_lower = _beats(second, first), _beats(fourth, third)
    upper, lower = torch.where(in_upper, second, first), torch.where(in_lower, fourth, third)
    is_lower = _beats(lower, upper)
    pool_indices = torch.where(is_lower, in_lower.to(torch.uint8) + 2, in_upper.to(torch.uint8))
    if torch.compiler.is_exporting():  # the values by the operator that runtimes have; who needs no indices drops them
        return F.max_pool2d(padded, 2), pool_indices
    return torch.where(is_lower, lower, upper), pool_indices


def unpool(values: Tensor, pool_indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Put each of ``(N, C, h, w)`` at its pool index in ``(N, C, *size)``, zeros elsewhere."""
    if exports_doubling():
        return fill_cells([torch.where(pool_indices == place, values, 0) for place in range(4)], size)
    rows, columns = (torch.arange(extent, device=values.device) for extent in size)
    here = (rows % 2 * 2)[:, None] + columns % 2
    window = (..., (rows // 2)[:, None], columns // 2)
    return torch.where(pool_indices[window] == here, values[window], 0)


def fill_cells(corners: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Interleave the four pixels of each 2x2 cell, ``(N, C, h, w)`` each, in reading order, and cut to ``size``.

    Returns:
        ``(N, C, *size)``, each 2n or 2n - 1 of the pixels' own size.
    """
    filled: Tensor = F.pixel_shuffle(torch.stack(list(corners), dim=2).flatten(1, 2), 2)
    return cut(filled, size)


def cut(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Cut ``(N, C, H, W)`` to a size that is no larger, at the right and the bottom."""
    if torch.compiler.is_exporting():  # a slice that may be longer than the map asks for more than open sizes can say
        return maps.narrow(-2, 0, size[0]).narrow(-1, 0, size[1])
    return maps[..., : size[0], : size[1]]


def take(plane: Tensor, pool_indices: Tensor) -> Tensor:
    """Read ``(N, C, H, W)`` at the pool indices: ``(N, C, h, w)``."""
    first, second, third, fourth = _windows(_pad_to_even(plane, 0))
    upper, lower = torch.where(pool_indices == 0, first, second), torch.where(pool_indices == 2, third, fourth)
    return torch.where(pool_indices < 2, upper, lower)


def pool_on_cpu(features: Tensor) -> tuple[Tensor, Tensor]:
    """Do what :func:`pool` does; keeps the layout."""
    if layout_of(features) is torch.contiguous_format:
        return _pool_contiguous(features.contiguous())
    return _pool_channels_last(features)


def unpool_on_cpu(values: Tensor, pool_indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Do what :func:`unpool` does; the result has the layout of the pool indices."""
    values = values.contiguous(memory_format=layout_of(pool_indices))
    # Measured: of these two, each is the faster one where it is used.
    if layout_of(pool_indices) is torch.contiguous_format and values.element_size() >= 4:
        positions = flat_positions(pool_indices, size[1]).flatten(2)
        planes = values.new_zeros((*pool_indices.shape[:2], size[0] * size[1]))
        return planes.scatter_(2, positions, values.flatten(2)).view(*pool_indices.shape[:2], *size)
    planes = empty_maps(pool_indices, size, values.dtype)
    _multiply_bits(_bits(values), pool_indices, _bits(planes))
    return planes


def take_on_cpu(plane: Tensor, pool_indices: Tensor) -> Tensor:
    """Do what :func:`take` does; the result has the layout of the pool indices."""
    layout = layout_of(pool_indices)
    plane = plane.contiguous(memory_format=layout)
    if layout is torch.contiguous_format:
        return (
            plane.flatten(2)
            .gather(2, flat_positions(pool_indices, plane.shape[-1]).flatten(2))
            .view(pool_indices.shape)
        )
    # Of two integers a and b, a ^ ((a ^ b) & mask) is b where all bits of the mask are set, and a where none is.
    first, second, third, fourth = _windows(_bits(_pad_to_even(plane, 0)))
    integer = first.dtype
    lower_mask, right_mask = (pool_indices >> 1).to(integer).neg_(), (pool_indices & 1).to(integer).neg_()
    left = (first ^ third).bitwise_and_(lower_mask).bitwise_xor_(first)
    right = (second ^ fourth).bitwise_and_(lower_mask).bitwise_xor_(second)
    return right.bitwise_xor_(left).bitwise_and_(right_mask).bitwise_xor_(left).view(plane.dtype)


def flat_positions(pool_indices: Tensor, width: int) -> Tensor:
    """Return the flat positions, int64, that the pool indices stand for in a plane of this width."""
    offsets = pool_indices.to(torch.int16 if width < 2**15 - 1 else torch.int32)
    offsets.add_((offsets >> 1).mul_(width - 2))  # 0, 1, W, W + 1
    return offsets.to(torch.int64).add_(_first_positions(pool_indices, width))


def _multiply_bits(values: Tensor, pool_indices: Tensor, planes: Tensor) -> None:
    """Place integers, multiplied by 0 or 1."""
    is_lower, is_right = ((pool_indices >> 1) & 1).to(values.dtype), (pool_indices & 1).to(values.dtype)
    lower = values * is_lower
    for row, candidates in ((0, values - lower), (1, lower)):
        left, right = planes[..., row::2, ::2], planes[..., row::2, 1::2]
        candidates, goes_right = candidates[..., : left.shape[-2], :], is_right[..., : left.shape[-2], :]
        if left.shape == right.shape:
            torch.mul(candidates, goes_right, out=right)
            torch.sub(candidates, right, out=left)
        else:  # a last window of one column has no right place
            torch.mul(candidates, 1 - goes_right, out=left)
            torch.mul(candidates[..., :-1], goes_right[..., :-1], out=right)


def _first_positions(maps: Tensor, width: int) -> Tensor:
    """Return the flat position of each window's first pixel, ``(h, w)``."""
    rows, columns = (torch.arange(0, 2 * extent, 2, device=maps.device) for extent in maps.shape[-2:])
    return rows[:, None] * width + columns


def _pad_to_even(maps: Tensor, value: float) -> Tensor:
    """Pad ``(N, C, H, W)`` below and at the right to even sides."""
    height, width = maps.shape[-2:]
    # Sizes that torch.export leaves open are padded by what may be nothing.
    if not torch.compiler.is_exporting() and height % 2 == 0 and width % 2 == 0:
        return maps
    half_height, half_width = halved((height, width))
    return F.pad(maps, (0, 2 * half_width - width, 0, 2 * half_height - height), value=value)


def _windows(maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the four pixels of each 2x2 window of ``(N, C, 2h, 2w)``, ``(N, C, h, w)`` each, in reading order."""
    cells = maps.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2))
    return cells[..., 0, :, 0], cells[..., 0, :, 1], cells[..., 1, :, 0], cells[..., 1, :, 1]


def _beats(later: Tensor, earlier: Tensor) -> Tensor:
    return (later > earlier) | later.isnan()


def _bits(maps: Tensor) -> Tensor:
    return maps.view(_INTEGERS[maps.element_size()])


def _pool_contiguous(features: Tensor) -> tuple[Tensor, Tensor]:
    """Pool with the columns as channels, along which torch's kernel is vectorised.

    Even and odd columns become the two columns of an image, in which every flat index modulo 4 is the code.
    """
    batch, channels, height, width = features.shape
    half_height, half_width = halved((height, width))
    planes = features.view(batch * channels, height, width)
    image = features.new_empty((batch * channels, height, 2, half_width))
    image[:, :, 0].copy_(planes[..., ::2])
    image[:, :, 1, : width // 2].copy_(planes[..., 1::2])
    if width % 2:
        image[:, :, 1, -1] = -torch.inf
    values, positions = torch.ops.aten.max_pool2d_with_indices(image.permute(0, 3, 1, 2), *_POOLING)
    shape = (batch, channels, half_height, half_width)
    pool_indices = positions.permute(0, 2, 3, 1).to(torch.uint8).bitwise_and_(3)
    return values.permute(0, 2, 3, 1).reshape(shape), pool_indices.reshape(shape)


def _pool_channels_last(features: Tensor) -> tuple[Tensor, Tensor]:
    width = features.shape[-1]
    values, positions = torch.ops.aten.max_pool2d_with_indices(features, *_POOLING)
    # The offsets in a window are 0, 1, W and W + 1; the lowest byte tells them apart at most widths.
    if 2 <= width % 256 <= 254:
        offsets = positions.to(torch.uint8).sub_(_first_positions(values, width).to(torch.uint8))
        lower = (offsets & 1).bitwise_xor_(torch.tensor(width % 2, dtype=torch.uint8)).add_(2)
        return values, torch.minimum(offsets, lower, out=lower)
    offsets = positions.sub_(_first_positions(values, width))
    return values, torch.where(offsets < width, offsets, offsets - (width - 2)).to(torch.uint8)
