"""The ceiling of an upsampler: what the label itself scores when it is pushed down to an output stride and up again.

No network is in between. Down goes with what belongs to the operator, one halving (rounded up) a step:

* ``nearest``, ``bilinear``, ``bicubic``: the mean of each 2x2 cell, so that a pixel holds the share of each class;
* ``bed_of_nails``: the first pixel of each cell, the one whose position the nail takes;
* ``max_unpool``: the maximum of each cell for each class, with its pool indices.

Up goes through the upsampler's own class, a step each, and the class with the largest value is the answer. Where the
sparse two leave nothing but zeros there is no answer, which scores as a miss. ``+ fill`` gives such pixels the class of
the nearest pixel that has one: what the positions alone still tell, to the convolutions that follow in a network.

For ``nearest`` the answer is the majority of each cell, the best that equal squares can do pixel by pixel.
For ``bilinear`` and ``bicubic`` it is no strict bound: logits may be any numbers, shares are not.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from segnet.data import DataModule
from segnet.layers import BedOfNails, Bicubic, Bilinear, MaxPool, MaxUnpool, Nearest, Upsampler
from segnet.metrics import boundary_f1_counts, class_counts, confusion_matrix, image_f1, mean_f1, mean_iou

STRIDES = (2, 4, 8, 16, 32)
SPARSE, FILL = ("bed_of_nails", "max_unpool"), " + fill"
Halving = Callable[[Tensor], tuple[Tensor, Tensor | None]]


class Ceiling(NamedTuple):
    """What labels score, all in 0..1.

    Attributes:
        upsampler: its name in ``configs/upsampler``, with ``+ fill`` where gaps were filled.
        stride: output stride that the labels were pushed down to.
        miou: see :func:`segnet.metrics.mean_iou`.
        boundary_f1: see :func:`segnet.metrics.image_f1`.
        answered: share of the scored pixels that the operator gave a class.
    """

    upsampler: str
    stride: int
    miou: float
    boundary_f1: float
    answered: float


def mean_of_cells(maps: Tensor) -> tuple[Tensor, None]:
    """Average each 2x2 cell; a cell that the border cuts is the mean of what it has."""
    return F.avg_pool2d(maps, kernel_size=2, stride=2, ceil_mode=True), None


def first_of_cells(maps: Tensor) -> tuple[Tensor, None]:
    """Take the first pixel of each 2x2 cell."""
    return maps[..., ::2, ::2], None


OPERATORS: dict[str, tuple[type[Upsampler], Halving]] = {
    "nearest": (Nearest, mean_of_cells),
    "bilinear": (Bilinear, mean_of_cells),
    "bicubic": (Bicubic, mean_of_cells),
    "bed_of_nails": (BedOfNails, first_of_cells),
    "max_unpool": (MaxUnpool, lambda maps: MaxPool(maps.shape[1])(maps)),
}


@torch.inference_mode()
def restore(label: Tensor, num_classes: int, ignore_index: int, upsampler: str, strides: Iterable[int]) -> list[Tensor]:
    """Push a label down and up again.

    Args:
        label: ``(H, W)``, classes or the ignore index, which has no share in any class.
        num_classes: number of classes K.
        ignore_index: label that does not count.
        upsampler: a key of ``OPERATORS``.
        strides: powers of 2 from 2 up.

    Returns:
        For each stride the classes ``(H, W)`` int64, K where the operator left no answer.
    """
    upsampler_class, halve = OPERATORS[upsampler]
    known = label != ignore_index
    maps = F.one_hot(label.long().masked_fill(~known, 0), num_classes).permute(2, 0, 1)[None].float() * known
    steps: list[tuple[tuple[int, int], Tensor | None]] = []
    restored = []
    for stride in sorted(strides):
        while 2 ** len(steps) < stride:
            size = (maps.shape[-2], maps.shape[-1])
            maps, pool_indices = halve(maps)
            steps.append((size, pool_indices))
        enlarged = maps
        for size, pool_indices in reversed(steps):
            enlarged = upsampler_class(num_classes)(enlarged, size, pool_indices)
        strongest, classes = enlarged[0].max(0)
        restored.append(classes.masked_fill(strongest <= 0, num_classes))
    return restored


def fill_gaps(classes: Tensor, num_classes: int) -> Tensor:
    """Give pixels without an answer, K, the class of the nearest pixel with one; a map without any stays as it is."""
    gaps = (classes == num_classes).numpy()
    if not gaps.any() or gaps.all():
        return classes
    rows, columns = ndimage.distance_transform_edt(gaps, return_distances=False, return_indices=True)
    return classes[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


def ceilings(
    labels: Iterable[Tensor],
    num_classes: int,
    ignore_index: int,
    strides: Iterable[int] = STRIDES,
    upsamplers: Iterable[str] = tuple(OPERATORS),
) -> list[Ceiling]:
    """Compute the table of ceilings.

    Args:
        labels: ``(H, W)`` each, on the CPU.
        num_classes: number of classes K.
        ignore_index: label that does not count.
        strides: output strides, powers of 2 from 2 up.
        upsamplers: keys of ``OPERATORS``.

    Returns:
        A row for each upsampler and stride, in this order; for those that leave gaps a second one, with these filled.
    """
    strides, upsamplers = sorted(strides), list(upsamplers)
    names = [name + filled for name in upsamplers for filled in ("", FILL)[: 1 + (name in SPARSE)]]
    # One class more than there are, for "no answer", which is no label; it is cut off where scores are taken.
    confusions = {(name, stride): torch.zeros(2 * (num_classes + 1,)).long() for name in names for stride in strides}
    boundaries = {key: np.zeros((2, 1)) for key in confusions}
    for label in labels:
        for name in names:
            restored = restore(label, num_classes, ignore_index, name.removesuffix(FILL), strides)
            for stride, classes in zip(strides, restored, strict=True):
                found = fill_gaps(classes, num_classes) if name.endswith(FILL) else classes
                # The ignore index may be K itself: -1 is no class at all.
                facts = (label.long().masked_fill(label == ignore_index, -1), num_classes + 1, -1)
                confusions[name, stride] += confusion_matrix(found, *facts)
                counts = boundary_f1_counts(found[None], facts[0][None], *facts[1:])
                boundaries[name, stride] += image_f1(counts[0, :, :num_classes].numpy())
    return [_row(*key, confusion.numpy(), ignore_index, boundaries[key]) for key, confusion in confusions.items()]


def _row(name: str, stride: int, confusion: np.ndarray, ignore_index: int, boundary: np.ndarray) -> Ceiling:
    counts = class_counts(confusion, ignore_index)[:, :-1]
    answered = 1 - confusion[:, -1].sum() / max(confusion.sum(), 1)
    return Ceiling(name, stride, float(mean_iou(counts)), float(mean_f1(boundary)), float(answered))


def split_ceilings(data: DataModule, split: str, images: int | None = None) -> list[Ceiling]:
    """Compute the ceilings of "train", "val" or "test", or of so many images spread evenly over it.

    Takes about half a second an image of 480x360 with 11 classes.
    """
    samples, size = data.eval_loader(split).dataset, len(data.split(split).ids)
    number = size if images is None else min(images, size)
    chosen = [index * size // number for index in range(number)]
    return ceilings((samples[index]["label"] for index in chosen), len(data.classes), data.ignore_index)
