"""IoU of small objects, as counts that add up over images."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from torch import Tensor

SMALL_AREA = 1 / 300  # of the image: COCO's 32x32 pixels (Lin et al. 2014) in its images of 640x480
SMALL_OBJECT_DEFINITION = (
    "small-object IoU: over labelled connected components (8 neighbours) of at most 1/300 of the image, and the false "
    "positives of predicted components that overlap one and no larger one, or none and are as small themselves; mean "
    "over the classes, counted over the split"
)
_NEIGHBOURS = np.ones((3, 3), dtype=int)


def small_object_counts(
    predictions: Tensor, labels: Tensor, num_classes: int, ignore_index: int, area: float | None = None
) -> np.ndarray:
    """Count what small-object IoU is made of; connected components stand for objects.

    A labelled component of a class is small where it has at most ``area`` pixels. All its pixels count as labelled, and
    those predicted as the class as hit. False positives are given to small objects by component: those of a predicted
    component of the class that overlaps a small labelled one and no larger one, or that overlaps none and is small
    itself. The aim is that of Cityscapes' instance-weighted IoU (Cordts et al. 2016): large objects must not drown the
    small.

    Args:
        predictions: ``(N, H, W)``, classes 0..K-1.
        labels: ``(N, H, W)``, classes or the ignore index.
        num_classes: number of classes K.
        ignore_index: label that does not count; ignored pixels are cut out of both maps first.
        area: the largest that is small, pixels; None takes 1/300 of the image.

    Returns:
        ``(N, 3, K)`` int64: pixels of each class that were hit, labelled, and predicted.
    """
    area = SMALL_AREA * labels[0].numel() if area is None else area
    counts = np.zeros((len(labels), 3, num_classes), dtype=np.int64)
    for image, (predicted, labelled) in enumerate(zip(predictions.cpu().numpy(), labels.cpu().numpy(), strict=True)):
        scored = labelled != ignore_index
        # Classes from 1 up, 0 for what is ignored; each is looked at within the box that holds it alone.
        predicted, labelled = (np.where(scored, classes.astype(np.int64) + 1, 0) for classes in (predicted, labelled))
        boxes = [ndimage.find_objects(classes, num_classes) for classes in (predicted, labelled)]
        for index, boxes_of_class in enumerate(zip(*boxes, strict=True)):
            occupied = [box for box in boxes_of_class if box is not None]
            if occupied:
                box = _hull(occupied)
                counts[image, :, index] = _count_class(predicted[box] == index + 1, labelled[box] == index + 1, area)
    if 0 <= ignore_index < num_classes:
        counts[:, :, ignore_index] = 0  # no class of the scores, see class_counts
    return counts


def _hull(boxes: Sequence[tuple[slice, slice]]) -> tuple[slice, slice]:
    """Smallest box around boxes."""
    rows, columns = (
        slice(min(side.start for side in sides), max(side.stop for side in sides)) for sides in zip(*boxes, strict=True)
    )
    return rows, columns


def _count_class(predicted: np.ndarray, labelled: np.ndarray, area: float) -> tuple[int, int, int]:
    small, large = _split_by_size(labelled, area)
    components, _ = ndimage.label(predicted, _NEIGHBOURS)
    sizes = np.bincount(components.ravel())
    touches_small, touches_large = np.zeros(len(sizes), dtype=bool), np.zeros(len(sizes), dtype=bool)
    touches_small[components[small]] = True
    touches_large[components[large]] = True
    counted = ~touches_large & (touches_small | (sizes <= area))
    counted[0] = False  # what is not predicted
    hits = int((predicted & small).sum())
    false = int(counted[components[~labelled]].sum())
    return hits, int(small.sum()), hits + false


def _split_by_size(mask: np.ndarray, area: float) -> tuple[np.ndarray, np.ndarray]:
    components, _ = ndimage.label(mask, _NEIGHBOURS)
    small = (np.bincount(components.ravel()) <= area)[components]
    return mask & small, mask & ~small
