"""Scores from one confusion matrix over the whole split.

The matrix is ``(K, K)`` int64, rows the labels, columns the predictions, ignored pixels left out. The mean IoU is
the mean over the classes that occur in the labels or in the predictions of the split.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from segnet.errors import UserError
from segnet.metrics.counts import class_counts, class_iou, mean_iou

MIOU_DEFINITION = (
    "mIoU: mean over the classes that occur in the labels or predictions of the split, from one confusion matrix over "
    "all its pixels at the labels' own resolution, ignored pixels left out; a class that is the ignore index is not in "
    "the mean, and pixels predicted as it are wrong"
)


def confusion_matrix(predictions: Tensor, labels: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """Count pairs of label and prediction.

    Args:
        predictions: classes 0..K-1, any shape, any integer type.
        labels: the same shape; classes or the ignore index.
        num_classes: number of classes K.
        ignore_index: label that does not count.

    Returns:
        ``(K, K)`` int64 on the inputs' device; the entry ``[i, j]`` counts pixels of class i predicted as j.

    Raises:
        UserError: a label is neither a class nor the ignore index, or a prediction of a scored pixel is no class. On a
            GPU, where looking would wait for the device, it ends with the device's own error of an index out of range.

    Example:
        >>> labels = torch.tensor([[0, 0, 1], [1, 1, 255]])  # the last pixel is ignored
        >>> predictions = torch.tensor([[0, 1, 1], [1, 1, 0]])
        >>> confusion_matrix(predictions, labels, num_classes=2, ignore_index=255)
        tensor([[1, 1],
                [0, 3]])
    """
    return image_confusions(predictions[None], labels[None], num_classes, ignore_index)[0]


def image_confusions(predictions: Tensor, labels: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """Count each image of a batch ``(N, ...)`` for itself: ``(N, K, K)``, see :func:`confusion_matrix`."""
    images, cells = len(labels), num_classes**2
    predictions, labels = predictions.long(), labels.long()  # first: a comparison of bytes with 256 would wrap around
    scored = labels != ignore_index
    allowed = (labels >= 0) & (labels < num_classes) & (predictions >= 0) & (predictions < num_classes) | ~scored
    if labels.device.type == "cpu" and not allowed.all():
        _refuse(predictions, labels, scored, num_classes, ignore_index)
    # The matrices of all images in a row. Ignored pixels go to one further bin, since a masked selection would wait for
    # the device, and what is no class to a bin that there is not.
    offsets = torch.arange(images, device=labels.device).reshape(-1, *[1] * (labels.ndim - 1)) * cells
    places = torch.where(scored, labels * num_classes + predictions + offsets, images * cells)
    places = torch.where(allowed, places, images * cells + 1)
    return _count(places.flatten(), images * cells + 1)[:-1].reshape(images, num_classes, num_classes)


def _refuse(predictions: Tensor, labels: Tensor, scored: Tensor, num_classes: int, ignore_index: int) -> None:
    """Name the first value that is no class."""
    strange = labels[scored & ((labels < 0) | (labels >= num_classes))]
    if len(strange):
        raise UserError(
            f"a label is {strange[0].item()}, which is neither a class (0..{num_classes - 1}) nor the ignore index "
            f"({ignore_index})"
        )
    strange = predictions[scored & ((predictions < 0) | (predictions >= num_classes))]
    raise UserError(f"a prediction is {strange[0].item()}, which is no class (0..{num_classes - 1})")


def _count(places: Tensor, bins: int) -> Tensor:
    """Count how often each of ``bins`` numbers occurs.

    A GPU's ``bincount`` looks for the largest number first and makes the CPU wait for it; adding integers does
    not, and gives the same in any order.
    """
    if places.device.type == "cpu":
        return torch.bincount(places, minlength=bins)
    return _count_by_adding(places, bins)


def _count_by_adding(places: Tensor, bins: int) -> Tensor:
    return places.new_zeros(bins).scatter_add_(0, places, torch.ones_like(places))


class Scores(NamedTuple):
    """What one confusion matrix says; all in 0..1, NaN for a class that does not occur.

    Attributes:
        iou: ``(K,)`` intersection over union of each class.
        miou: mean IoU over the classes that occur.
        class_accuracy: mean over the labelled classes of the share of their pixels that was predicted right.
        pixel_accuracy: share of all scored pixels that was right.
    """

    iou: Tensor
    miou: float
    class_accuracy: float
    pixel_accuracy: float


def scores(confusion: Tensor, ignore_index: int = -1) -> Scores:
    """Compute the scores of a ``(K, K)`` confusion matrix; ``ignore_index`` is that of :func:`class_counts`.

    Example:
        >>> confusion = torch.tensor([[1, 1, 0], [0, 3, 0], [0, 0, 0]])  # the third class does not occur
        >>> scores(confusion).miou  # the mean of 1/2 and 3/4
        0.625
    """
    counts = class_counts(confusion.cpu().numpy(), ignore_index)
    hits, labelled, _ = torch.from_numpy(counts).double()
    recall = hits / labelled  # 0 / 0 is NaN: the class is not labelled
    iou = torch.from_numpy(class_iou(counts))
    return Scores(iou, float(mean_iou(counts)), recall.nanmean().item(), (hits.sum() / confusion.sum().cpu()).item())
