"""What a loss is a mean over, so that parts of a batch count by what they hold.

The loss of a batch that several processes share, or that is accumulated over several steps, is the mean of the losses
of its parts by their weights. For a mean over pixels the weight is the number of pixels that count, times the weights
that the loss gives them, and the mean of the parts is the loss of the whole. A loss that looks at the pixels of a part
together (of overlap, Lovasz-softmax) is by its weight a mean over images.
"""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from segnet.losses.pixels import weight_map


class Mean(NamedTuple):
    """The mean that a loss, or one term of it, is on a part of a batch.

    Attributes:
        value: a scalar.
        weight: a scalar from 0 up, without a gradient: how much the part counts beside others.
    """

    value: Tensor
    weight: Tensor


@runtime_checkable
class Weighed(Protocol):
    """A loss that says how much a part of a batch counts."""

    def weight_of(self, labels: Tensor) -> Tensor:
        """Return the weight of labels ``(N, H, W)``, a scalar."""
        ...


@runtime_checkable
class SumOfMeans(Protocol):
    """A loss of several terms, each a mean over something of its own."""

    def means(self, output: Tensor, target: Tensor) -> list[Mean]:
        """Return the terms, whose values add up to the loss."""
        ...


def loss_means(loss: object, output: Tensor, target: Tensor) -> list[Mean]:
    """Return the terms of a loss on a part of a batch; one that does not say what it is a mean over counts by images.

    Args:
        loss: takes ``output`` and ``target`` to a scalar.
        output: of the network, ``(N, ...)``.
        target: labels or images, ``(N, ...)``.
    """
    if isinstance(loss, SumOfMeans):
        return loss.means(output, target)
    assert callable(loss)
    value: Tensor = loss(output, target)
    weight = loss.weight_of(target) if isinstance(loss, Weighed) else value.new_tensor(float(len(target)))
    return [Mean(value, weight)]


def pixel_weight(labels: Tensor, ignore_index: int, class_weights: Tensor | None) -> Tensor:
    """Return the weight of a mean over pixels: the sum of the weights of the labels ``(N, H, W)``, float32."""
    return weight_map(labels, ignore_index, class_weights).sum()


def image_weight(labels: Tensor, ignore_index: int, class_weights: Tensor | None) -> Tensor:
    """Return the weight of a mean over images: how many have a pixel whose weight is above 0, float32."""
    return (weight_map(labels, ignore_index, class_weights) > 0).flatten(1).any(1).sum().float()
