"""The pixels of augmentation: images and labels of a batch through one affine transform each, on any device."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SUBPIXELS = 256


class AffineTransforms(NamedTuple):
    """Where the output pixels of each sample lie in its image, float32 tensors with the batch as first axis.

    Attributes:
        matrix: ``(N, 2, 3)``; ``matrix @ (i, j, 1)`` is the place (y, x) in the image, in pixels from the centre of
            its first pixel, of the output pixel that lies i rows and j columns from the output's centre.
        flip: ``(N,)``, 1 where the output's columns are reversed, else 0.
        extent: ``(N, 4)``, first row, first column, last row and last column of the image.
        minification: ``(N, 2)``, image pixels to an output pixel, along y and x.
    """

    matrix: Tensor
    flip: Tensor
    extent: Tensor
    minification: Tensor


def transform_batch(
    images: Tensor,
    labels: Tensor,
    transforms: AffineTransforms,
    size: Sequence[int],
    radius: int,
    rotated: bool,
    fill: Sequence[float],
    ignore_index: int,
    displacement: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Take each image and its label through its affine transform, in one resampling.

    Images are interpolated bilinearly, labels take the nearest pixel. What is minified is first smoothed at the
    image's own resolution, see :func:`smooth`. Places are rounded to 1/256 pixel, and then all that decides where a
    pixel is read is exact in float32: the result does not depend on the other samples of the batch, labels are the
    same on every device, and a transform that only shifts and flips copies pixels bit for bit.

    Args:
        images: ``(N, C, H, W)`` uint8; images of different sizes are padded to one.
        labels: ``(N, H, W)`` uint8.
        transforms: see :class:`AffineTransforms`.
        size: height and width of the result.
        radius: of the smoothing, at least the largest ``ceil(minification) - 1``.
        rotated: whether a transform may rotate; if none does, there is less to compute.
        fill: image value 0..255 outside the image, one a channel.
        ignore_index: label outside the image.
        displacement: along y and x, each ``(N, *size)``: by how many pixels of the result its pixels are moved before
            the transform; None: by none.

    Returns:
        Images ``(N, C, *size)`` float32, 0..255, and labels ``(N, *size)`` uint8.
    """
    if displacement is None and len(images) == 1 and images.device.type == "cpu":
        copied = copy_window(images, labels, transforms, size)
        if copied is not None:
            return copied
    y, x = output_places(transforms, size, rotated, displacement)
    top, left, bottom, right = transforms.extent[:, :, None, None].unbind(1)
    outside = (y < top - 0.5) | (y >= bottom + 0.5) | (x < left - 0.5) | (x >= right + 0.5)
    y, x = torch.minimum(torch.maximum(y, top), bottom), torch.minimum(torch.maximum(x, left), right)

    sampled = sample_bilinear(smooth(images, transforms.minification, radius), y, x)
    taken = sample_nearest(labels, y, x)
    if outside.device.type != "cpu" or outside.any():  # a GPU would have to be waited for
        for channel, value in enumerate(fill):
            sampled[:, channel].masked_fill_(outside, value)
        taken.masked_fill_(outside, ignore_index)
    return sampled, taken


def copy_window(
    images: Tensor, labels: Tensor, transforms: AffineTransforms, size: Sequence[int]
) -> tuple[Tensor, Tensor] | None:
    """Do what :func:`transform_batch` does to a sample whose transform only shifts and flips, without any arithmetic.

    A look at the transform is free on the CPU alone; a GPU would have to be waited for.

    Returns:
        None where the transform does more than that, or leaves the image.
    """
    matrix, extent = transforms.matrix[0].tolist(), transforms.extent[0].tolist()
    if [row[:2] for row in matrix] != [[1, 0], [0, 1]]:
        return None
    window = []
    for axis, side in enumerate(size):
        first = matrix[axis][2] - (side - 1) / 2
        if not first.is_integer() or first < extent[axis] or first + side - 1 > extent[axis + 2]:
            return None
        window.append(slice(int(first), int(first) + side))
    image, label = images[:, :, window[0], window[1]], labels[:, window[0], window[1]]
    if transforms.flip[0]:
        image, label = image.flip(-1), label.flip(-1)
    return image.to(torch.float32, memory_format=torch.contiguous_format), label.clone()


def output_places(
    transforms: AffineTransforms,
    size: Sequence[int],
    rotated: bool,
    displacement: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return y and x of the output pixels in their images, in whole 1/256 pixels.

    The mirrored half of a flipped sample is computed as the half that it mirrors, so a flip is exact.

    Returns:
        Both ``(N, h, w)``, or ``(N, h, 1)`` and ``(N, 1, w)`` where nothing rotates or is moved: the same numbers.
    """
    height, width = size
    i = torch.arange(height, device=transforms.matrix.device)[None, :, None] - (height - 1) / 2
    j = torch.arange(width, device=transforms.matrix.device)[None, None, :] - (width - 1) / 2
    j = j * (1 - 2 * transforms.flip)[:, None, None]
    if displacement is not None:
        i, j = i + displacement[0], j + displacement[1]
    places = []
    for axis, row in enumerate(transforms.matrix.unbind(1)):
        by_i, by_j, offset = row[:, :, None, None].unbind(1)
        # One operation at a time: a fused multiply-add would round otherwise, and not on every device.
        if rotated:
            place = by_i * i
            place = place + by_j * j
        else:
            place = by_j * j if axis else by_i * i
        place = place + offset
        places.append((place * SUBPIXELS).round() / SUBPIXELS)
    return places[0], places[1]


def smooth(images: Tensor, minification: Tensor, radius: int) -> Tensor:
    """Smooth images before they are minified, so that nothing aliases; what is not minified stays as it is.

    Along each axis, bilinear interpolation of the result has the variance of the triangle filter that Pillow and
    torch's ``antialias=True`` stretch by the minification m, ``m ** 2 / 6`` image pixels squared, and it is that
    filter where m is an integer; see :func:`triangle_weights`. Borders are repeated.

    Args:
        images: ``(N, C, H, W)`` uint8.
        minification: ``(N, 2)`` along y and x.
        radius: taps on each side.

    Returns:
        ``(N, C, H', W')`` float32, the sides padded at the end to powers of two, as :func:`sample_bilinear` needs.
    """
    count, channels, *sides = images.shape
    padded = images.new_empty((count, channels, *(1 << (side - 1).bit_length() for side in sides)), dtype=torch.float32)
    # Interpolation at the last row and column multiplies the next ones by zero, which must not meet a NaN.
    padded[:, :, sides[0] : sides[0] + 1] = 0
    padded[..., sides[1] : sides[1] + 1] = 0
    result = padded[..., : sides[0], : sides[1]]
    if radius == 0:
        result.copy_(images)
        return padded
    weights = triangle_weights(minification, radius)
    rows = smooth_axis(images.float(), weights[:, 0], axis=2)
    smooth_axis(rows, weights[:, 1], axis=3, out=result)
    return padded


def smooth_axis(values: Tensor, weights: Tensor, axis: int, out: Tensor | None = None) -> Tensor:
    """Sum ``(N, C, H, W)`` along an axis with weights ``(N, radius + 1)`` by distance; borders are repeated."""
    length = values.shape[axis]
    first, last = values.narrow(axis, 0, 1), values.narrow(axis, length - 1, 1)
    weights = weights[:, :, None, None, None]
    total = torch.mul(values, weights[:, 0], out=out)
    for distance in range(1, weights.shape[1]):
        weight, edge = weights[:, distance], min(distance, length)
        inner = length - edge
        _add_scaled(total.narrow(axis, edge, inner), values.narrow(axis, 0, inner), weight)
        _add_scaled(total.narrow(axis, 0, inner), values.narrow(axis, edge, inner), weight)
        _add_scaled(total.narrow(axis, 0, edge), first, weight)
        _add_scaled(total.narrow(axis, inner, edge), last, weight)
    return total


def _add_scaled(total: Tensor, values: Tensor, weight: Tensor) -> None:
    if weight.device.type == "cpu" and len(weight) == 1:
        total.add_(values, alpha=weight.item())  # torch has no fast kernel for the other with one weight
    else:
        total.addcmul_(values, weight)


def triangle_weights(minification: Tensor, radius: int) -> Tensor:
    """Weights ``(..., radius + 1)`` of the taps at distance 0, 1, ... for minifications ``(...)``.

    Between the integers f < m < f + 1 the triangles of half-width f and f + 1 are mixed so that the variance is
    ``(m ** 2 - 1) / 6``; bilinear interpolation adds the other 1/6. 1 or less gives the identity. They are rounded to
    whole 1/256, and sum to 1: so what is smoothed along both axes is exact in float32, in whatever order it is summed.
    """
    m = minification.clamp(min=1)[..., None]
    lower = m.floor()
    upper = lower + 1
    share = (m * m - lower * lower) / (upper * upper - lower * lower)
    distance = torch.arange(1, radius + 1, device=m.device)
    low, high = ((half - distance).clamp(min=0) / (half * half) for half in (lower, upper))
    sides = (((1 - share) * low + share * high) * 256).round() / 256
    return torch.cat([1 - 2 * sides.sum(-1, keepdim=True), sides], dim=-1)


def sample_bilinear(images: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Read images ``(N, C, H, W)`` at places y and x, together ``(N, h, w)``, between 0 and the last pixel.

    H and W are powers of two and the places whole 1/256 pixels, so that ``grid_sample``'s coordinates are exact.
    """
    height, width = images.shape[-2:]
    coordinates = torch.broadcast_tensors((2 * x + 1) / width - 1, (2 * y + 1) / height - 1)
    grid = torch.stack(coordinates, dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", align_corners=False)


def sample_nearest(labels: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Read labels ``(N, H, W)`` at the pixels nearest to places y and x, together ``(N, h, w)``."""
    rows, columns = (y + 0.5).floor().long(), (x + 0.5).floor().long()
    if len(labels) == 1 and rows.shape[2] == columns.shape[1] == 1:  # a grid along the axes: no place by itself
        return labels.index_select(1, rows.flatten()).index_select(2, columns.flatten())
    nearest = rows * labels.shape[-1] + columns
    return labels.flatten(1).gather(1, nearest.flatten(1)).view_as(nearest)
