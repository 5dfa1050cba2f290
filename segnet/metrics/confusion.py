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
    if ignore_index < 0:
        labels = labels.long()  # a byte would be compared with the byte that -1 wraps around to
    scored = labels != ignore_index
    if labels.device.type == "cpu" and labels.numel():
        _check_classes(predictions, labels, scored, num_classes, ignore_index)
    pairs = torch.add(predictions.long(), labels.long(), alpha=num_classes)
    if images > 1:
        pairs += torch.arange(0, images * cells, cells, device=labels.device).reshape(-1, *[1] * (labels.ndim - 1))
    # The matrices of all images in a row. Ignored pixels go to one further bin, since a masked selection would wait for
    # the device.
    bin_indices = torch.where(scored, pairs, images * cells)
    if labels.device.type != "cpu":  # what is no class goes to a bin that there is not
        bin_indices = torch.where(
            scored & ~_are_classes(labels, predictions, num_classes), images * cells + 1, bin_indices
        )
    return _count(bin_indices.flatten(), images * cells + 1)[:-1].reshape(images, num_classes, num_classes)


def _are_classes(labels: Tensor, predictions: Tensor, num_classes: int) -> Tensor:
    labels, predictions = labels.long(), predictions.long()
    return (labels >= 0) & (labels < num_classes) & (predictions >= 0) & (predictions < num_classes)


def _check_classes(predictions: Tensor, labels: Tensor, scored: Tensor, num_classes: int, ignore_index: int) -> None:
    """Refuse scored pixels that are no class: by the extremes first, in a small part of the counting's time."""
    extremes = *torch.where(scored, labels, 0).aminmax(), *predictions.aminmax()
    if all(0 <= value.item() < num_classes for value in extremes):
        return
    strange = scored & ~_are_classes(labels, predictions, num_classes)
    if not strange.any():
        return  # what is predicted for pixels that are not scored does not matter
    label, prediction = labels[strange][0].item(), predictions[strange][0].item()
    if 0 <= label < num_classes:
        raise UserError(f"a prediction is {prediction}, which is no class (0..{num_classes - 1})")
    raise UserError(
        f"a label is {label}, which is neither a class (0..{num_classes - 1}) nor the ignore index ({ignore_index})"
    )


def _count(bin_indices: Tensor, bins: int) -> Tensor:
    """Count how often each of ``bins`` numbers occurs.

    A GPU's ``bincount`` looks for the largest number first and makes the CPU wait for it; adding integers does
    not, and gives the same in any order.
    """
    if bin_indices.device.type == "cpu":
        return torch.bincount(bin_indices, minlength=bins)
    return _count_by_adding(bin_indices, bins)


def _count_by_adding(bin_indices: Tensor, bins: int) -> Tensor:
    return bin_indices.new_zeros(bins).scatter_add_(0, bin_indices, torch.ones_like(bin_indices))


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
