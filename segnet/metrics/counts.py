"""Scores from counts that add up over images, of numpy arrays: whatever images are put together, and however often.

Counts ``(..., 3, K)`` are the pixels of each class that were hit (labelled and predicted), labelled, and predicted.
"""

import numpy as np


def class_counts(confusions: np.ndarray, ignore_index: int = -1) -> np.ndarray:
    """Reduce confusion matrices to all that IoU needs.

    Args:
        confusions: ``(..., K, K)``, rows the labels, columns the predictions.
        ignore_index: label that was left out. Where it is one of the classes, that class is no class of the scores:
            pixels predicted as it count against the class that they are labelled as, and against no other.

    Returns:
        ``(..., 3, K)``.
    """
    confusions = np.asarray(confusions)
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    predicted = confusions.sum(-2)
    if 0 <= ignore_index < confusions.shape[-1]:
        predicted[..., ignore_index] = 0
    return np.stack([hits, confusions.sum(-1), predicted], axis=-2)


def class_iou(counts: np.ndarray) -> np.ndarray:
    """IoU of each class, ``(..., K)``, of counts ``(..., 3, K)``; NaN for a class neither labelled nor predicted."""
    hits, labelled, predicted = np.moveaxis(np.asarray(counts, dtype=float), -2, 0)
    union = labelled + predicted - hits
    iou: np.ndarray = np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)
    return iou


def class_dice(counts: np.ndarray) -> np.ndarray:
    """Dice (F1 of the pixels) of each class, ``(..., K)``, of counts ``(..., 3, K)``; NaN where IoU is."""
    iou = class_iou(counts)
    dice: np.ndarray = 2 * iou / (1 + iou)
    return dice


def class_recall(counts: np.ndarray) -> np.ndarray:
    """Share of the labelled pixels of each class that is predicted right, ``(..., K)``; NaN where none is labelled."""
    hits, labelled, _ = np.moveaxis(np.asarray(counts, dtype=float), -2, 0)
    return _mean(hits, labelled)


def class_precision(counts: np.ndarray) -> np.ndarray:
    """Share of the predicted pixels of each class that is right, ``(..., K)``; NaN where none is predicted."""
    hits, _, predicted = np.moveaxis(np.asarray(counts, dtype=float), -2, 0)
    return _mean(hits, predicted)


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """Mean IoU ``(...)`` of counts ``(..., 3, K)`` over the classes that are labelled or predicted.

    The definition of :func:`segnet.metrics.scores`; NaN where no class occurs.
    """
    iou = class_iou(counts)
    occurs = ~np.isnan(iou)
    return _mean(np.where(occurs, iou, 0.0).sum(-1), occurs.sum(-1))


def image_f1(counts: np.ndarray) -> np.ndarray:
    """Boundary F1 of each image, as sums that give the mean over any images.

    Args:
        counts: ``(..., 4, K)`` of :func:`segnet.metrics.boundary_f1_counts`.

    Returns:
        ``(..., 2, 1)``: the mean F1 of the classes that have a boundary in the image's label, and 1; 0 and 0 for an
        image whose label has no boundary, which does not count.
    """
    f1, present = _image_class_f1(counts)
    number = present.sum(-1)
    mean = np.where(present, f1, 0.0).sum(-1) / np.maximum(number, 1)
    return np.stack([mean, (number > 0).astype(float)], axis=-1)[..., None]


def image_class_f1(counts: np.ndarray) -> np.ndarray:
    """Boundary F1 of each class of each image, ``(..., 2, K)``, as :func:`image_f1` has it of the mean over classes.

    The sum over images of the first, divided by that of the second, is the mean over the images whose label has a
    boundary of the class.
    """
    f1, present = _image_class_f1(counts)
    return np.stack([np.where(present, f1, 0.0), present.astype(float)], axis=-2)


def _image_class_f1(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return F1 ``(..., K)`` of boundary counts ``(..., 4, K)``, and which classes have a boundary in the label."""
    near_predicted, predicted, near_labelled, labelled = np.moveaxis(np.asarray(counts, dtype=float), -2, 0)
    precision = near_predicted / np.maximum(predicted, 1)
    recall = near_labelled / np.maximum(labelled, 1)
    both = precision + recall
    return np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0), labelled > 0


def mean_f1(sums: np.ndarray) -> np.ndarray:
    """Mean ``(...)`` over the images whose :func:`image_f1` were added up, ``(..., 2, 1)``; NaN where none counts."""
    total, number = np.moveaxis(np.asarray(sums, dtype=float)[..., 0], -1, 0)
    return _mean(total, number)


def _mean(total: np.ndarray, number: np.ndarray) -> np.ndarray:
    mean: np.ndarray = np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)
    return mean
