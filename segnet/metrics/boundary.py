"""How well boundaries are met: boundary F1, boundary IoU and the trimap curve, as counts that add up over images.

All take class maps ``(N, H, W)`` and count whole pixels, so that the sum over images, batches or processes is exact.
Ignored pixels make no boundaries and are not counted: they are taken out of prediction and label alike. Two pixels are
of different regions only where both are scored; what lies outside of the image is no region either.
"""

import math

import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

F1_TOLERANCE = 0.0075  # of the image diagonal: Csurka et al. 2013; Badrinarayanan et al. 2017
IOU_DISTANCE = 0.005  # of the image diagonal
TRIMAP_WIDTHS = (1, 2, 3, 5, 8, 12, 20, 32)
BOUNDARY_DEFINITION = (
    "boundary F1: F1 of the boundary pixels that lie within 0.75% of the image diagonal of a boundary pixel of their "
    "class in the other map, mean over the classes with a boundary in the image's label, then over images; boundary "
    "IoU: IoU of the pixels within 0.5% of the diagonal of another class or of the image's border, mean over the "
    "classes, counted over the split"
)
_HELD = ((torch.int16, 15), (torch.int32, 31), (torch.int64, 63))  # bits without the sign


def boundary_pixels(classes: Tensor, scored: Tensor) -> Tensor:
    """Find the scored pixels that have a scored pixel of another class above, below, left or right of them.

    Args:
        classes: ``(N, H, W)``.
        scored: ``(N, H, W)`` bool.

    Returns:
        ``(N, H, W)`` bool: the inner boundary of each region, one pixel wide.
    """
    edges = torch.zeros_like(scored)
    for axis in (1, 2):
        size = classes.shape[axis] - 1
        before, after = (classes.narrow(axis, start, size) for start in (0, 1))
        differ = (before != after) & scored.narrow(axis, 0, size) & scored.narrow(axis, 1, size)
        for start in (0, 1):
            edges.narrow(axis, start, size).logical_or_(differ)
    return edges


def boundary_f1_counts(
    predictions: Tensor, labels: Tensor, num_classes: int, ignore_index: int, tolerance: float | None = None
) -> Tensor:
    """Count what boundary F1 is made of (Csurka et al. 2013), for all classes at once.

    Two choices are open in the paper, and programs that follow it differ in them, so that scores compare only between
    networks that one program scored. Classes: :func:`segnet.metrics.image_f1` takes the mean over those that have a
    boundary in the label; one that has a boundary in the prediction alone is left out, where others let it count as 0.
    Its pixels do cost the classes whose place it takes. Matching: a boundary pixel is right where any pixel of the
    other boundary is near enough, and several may share that pixel, as in the paper's formulas; programs derived from
    the Berkeley benchmark (Martin et al. 2004) match pixels one to one, which is stricter where boundaries are thick or
    doubled. The tolerance itself counts as near.

    The classes that have a boundary near a pixel are held as bits of one integer a pixel, spread over a disc.

    Args:
        predictions: ``(N, H, W)``, classes 0..K-1.
        labels: ``(N, H, W)``, classes or the ignore index.
        num_classes: number of classes K.
        ignore_index: label that does not count.
        tolerance: distance between pixel centres, in pixels; None takes 0.75% of the image diagonal.

    Returns:
        ``(N, 4, K)`` int64 on the inputs' device: the predicted boundary pixels of each class that have a labelled one
        of the class near, all predicted ones, the labelled ones that have a predicted one near, all labelled ones.
        :func:`segnet.metrics.image_f1` takes them to F1.
    """
    predictions, labels = predictions.long(), labels.long()
    tolerance = F1_TOLERANCE * math.hypot(*labels.shape[-2:]) if tolerance is None else tolerance
    scored = labels != ignore_index
    edges = boundary_pixels(predictions, scored), boundary_pixels(labels, scored)
    counts = []
    for (classes, own), (others, other) in zip(
        zip((predictions, labels), edges, strict=True),
        zip((labels, predictions), edges[::-1], strict=True),
        strict=True,
    ):
        near = _near_same_class(classes, own, others, other, num_classes, tolerance)
        counts += [_count_classes(classes, near, num_classes), _count_classes(classes, own, num_classes)]
    return torch.stack(counts, dim=1)


def _near_same_class(
    classes: Tensor, own: Tensor, others: Tensor, other: Tensor, num_classes: int, tolerance: float
) -> Tensor:
    near = torch.zeros_like(own)
    dtype, bits = next((held for held in _HELD if held[1] >= num_classes), _HELD[-1])
    for first in range(0, num_classes, bits):
        here = other & (others >= first) & (others < first + bits)
        flags = torch.where(here, 1 << (others - first).clamp(0, bits - 1), 0).to(dtype)
        bit = classes - first
        hit = (_spread(flags, tolerance) >> bit.clamp(0, bits - 1).to(dtype)) & 1
        near |= own & (bit >= 0) & (bit < bits) & (hit == 1)
    return near


def _spread(bits: Tensor, radius: float) -> Tensor:
    """Give each pixel all bits of the disc around it, row by row of the disc."""
    reach = int(radius)
    height, width = bits.shape[-2:]
    result = bits.clone()
    row, covered = bits.clone(), 0  # row: the bits of the pixels at most `covered` to the left or right
    for down in range(reach, -1, -1):  # the rows of a disc grow towards its middle
        half = math.isqrt(int(radius**2 - down**2))
        while covered < half:
            covered += 1
            if covered < width:
                row[..., covered:] |= bits[..., :-covered]
                row[..., :-covered] |= bits[..., covered:]
        if down == 0:
            result |= row
        elif down < height:
            result[..., down:, :] |= row[..., :-down, :]
            result[..., :-down, :] |= row[..., down:, :]
    return result


def _count_classes(classes: Tensor, chosen: Tensor, num_classes: int) -> Tensor:
    """Count the chosen pixels of each class in each image: ``(N, K)`` int64."""
    images = len(classes)
    offsets = torch.arange(images, device=classes.device)[:, None, None] * num_classes
    bins = torch.where(chosen, classes + offsets, images * num_classes)
    counts = torch.bincount(bins.flatten(), minlength=images * num_classes + 1)
    return counts[:-1].reshape(images, num_classes)


def boundary_iou_counts(
    predictions: Tensor, labels: Tensor, num_classes: int, ignore_index: int, distance: int | None = None
) -> Tensor:
    """Count what boundary IoU is made of (Cheng et al. 2021): the IoU of the regions' rims.

    A pixel belongs to the rim of its region where the square of ``2 distance + 1`` pixels around it holds another
    class or leaves the image, as in the authors' code (which erodes by 3x3, ``distance`` times).

    Args:
        predictions: ``(N, H, W)``, classes 0..K-1.
        labels: ``(N, H, W)``, classes or the ignore index.
        num_classes: number of classes K.
        ignore_index: label that does not count.
        distance: in pixels; None takes 0.5% of the image diagonal, rounded, 1 at least.

    Returns:
        ``(N, 3, K)`` int64 on the inputs' device: rim pixels of each class that are hit, labelled, and predicted.
    """
    predictions, labels = predictions.long(), labels.long()
    if distance is None:
        distance = max(1, round(IOU_DISTANCE * math.hypot(*labels.shape[-2:])))
    scored = labels != ignore_index
    predicted, labelled = (_rim(classes, scored, distance) for classes in (predictions, labels))
    hit = predicted & labelled & (predictions == labels)
    chosen = ((labels, hit), (labels, labelled), (predictions, predicted))
    counts = torch.stack([_count_classes(classes, where, num_classes) for classes, where in chosen], dim=1)
    if 0 <= ignore_index < num_classes:
        counts[:, 2, ignore_index] = 0  # no class of the scores, see class_counts
    return counts


def _rim(classes: Tensor, scored: Tensor, distance: int) -> Tensor:
    """Scored pixels whose square window holds two classes or leaves the image."""
    values = classes.float()[:, None]
    high = _window_maximum(values.masked_fill(~scored[:, None], -torch.inf), distance)
    low = -_window_maximum((-values).masked_fill(~scored[:, None], -torch.inf), distance)
    rim = (high != low)[:, 0]
    rim[:, :distance] = rim[:, -distance:] = True
    rim[:, :, :distance] = rim[:, :, -distance:] = True
    return rim & scored


def _window_maximum(values: Tensor, distance: int) -> Tensor:
    size = 2 * distance + 1
    rows = F.max_pool2d(values, (1, size), stride=1, padding=(0, distance))
    return F.max_pool2d(rows, (size, 1), stride=1, padding=(distance, 0))


def trimap_confusions(
    predictions: Tensor,
    labels: Tensor,
    num_classes: int,
    ignore_index: int,
    widths: tuple[int, ...] = TRIMAP_WIDTHS,
) -> Tensor:
    """Count labels and predictions in bands around the labels' boundaries (Kohli et al. 2009).

    The band of width w holds the scored pixels nearer than w pixels (between centres) to a boundary pixel of the label:
    w pixels on each side of an edge. On the CPU, by scipy's exact distance transform.

    Args:
        predictions: ``(N, H, W)``, classes 0..K-1.
        labels: ``(N, H, W)``, classes or the ignore index.
        num_classes: number of classes K.
        ignore_index: label that does not count.
        widths: W of them, growing, in pixels.

    Returns:
        ``(N, W, K, K)`` int64 on the CPU.
    """
    predictions, labels = predictions.cpu().long(), labels.cpu().long()
    edges = boundary_pixels(labels, labels != ignore_index)
    limits = torch.tensor(widths, dtype=torch.float64)
    cells = num_classes**2
    rings = torch.zeros(len(labels), len(widths), num_classes, num_classes, dtype=torch.int64)
    for image, edge in enumerate(edges):
        if not edge.any():
            continue
        distances = torch.from_numpy(ndimage.distance_transform_edt(~edge.numpy()))
        ring = torch.bucketize(distances, limits, right=True)
        pairs = ring * cells + labels[image] * num_classes + predictions[image]
        counted = (labels[image] != ignore_index) & (ring < len(widths))
        counts = torch.bincount(pairs[counted], minlength=len(widths) * cells)
        rings[image] = counts.reshape(len(widths), num_classes, num_classes)
    return rings.cumsum(1)
