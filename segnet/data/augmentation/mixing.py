"""Mixing of training samples: a part of another sample, image and label, is laid over one.

The other sample is drawn from the stream of the sample itself, and not from its batch: so what is mixed is the same
whatever the number of processes that share a batch, and after a restart.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from segnet.errors import require

LABELS = 256
"""How many values a label has room for."""


class Mix(Protocol):
    """Says which part of another sample is laid over a sample.

    Attributes:
        probability: that a sample is mixed, 0..1.
    """

    probability: float

    def draw(self, size: Sequence[int], random: np.random.Generator) -> np.ndarray:
        """Draw the numbers of one sample, always as many: 1-D, exact in float32.

        Args:
            size: height and width of the sample.
            random: a stream of the sample's.
        """
        ...

    def choose(self, label: Tensor, drawn: Tensor) -> Tensor:
        """Return which pixels are taken, ``(H, W)`` bool, from the other sample's label ``(H, W)`` and what was drawn.

        It runs where the network does; no chance is left here.
        """
        ...


class CutMix:
    """Lays a rectangle of another sample over one (Yun et al. 2019; for segmentation French et al. 2020).

    The rectangle lies inside the image. Its sides are drawn as French et al. do it: of the area a, the height is the
    share ``a ** u`` and the width ``a ** (1 - u)``, u uniform in 0..1.

    Args:
        probability: that a sample is mixed.
        area: smallest and largest area of the rectangle, as a share of the image's; drawn uniformly.

    Raises:
        segnet.errors.UserError: a value is out of its range; the message names the setting.
    """

    def __init__(self, probability: float = 0.5, area: Sequence[float] = (0.1, 0.5)) -> None:
        _check_probability(probability)
        low_to_high = len(area) == 2 and 0 < area[0] <= area[1] <= 1
        require(low_to_high, "data.mix.area", area, "[LOW,HIGH], two numbers above 0 and up to 1, the smaller first")
        self.probability, self.area = probability, area

    def draw(self, size: Sequence[int], random: np.random.Generator) -> np.ndarray:
        """Draw the first and the last row and column of the rectangle, the last ones excluded, ``(4,)``."""
        area, share = float(random.uniform(self.area[0], self.area[1])), random.random()
        first, last = [], []
        for side, part in zip(size, (area**share, area ** (1 - share)), strict=True):
            length = max(1, round(side * part))
            first.append(int(random.integers(side - length + 1)))
            last.append(first[-1] + length)
        return np.array([*first, *last])

    def choose(self, label: Tensor, drawn: Tensor) -> Tensor:
        """Return the rectangle."""
        rows, columns = (torch.arange(side, device=label.device) for side in label.shape)
        top, left, bottom, right = drawn.unbind()
        inside: Tensor = ((rows >= top) & (rows < bottom))[:, None] & (columns >= left) & (columns < right)
        return inside


class ClassMix:
    """Lays half of the classes of another sample over one (Olsson et al. 2021).

    Of an odd number of classes the larger half is taken. What is ignored in the other sample is not.

    Args:
        ignore_index: label that is no class.
        probability: that a sample is mixed.

    Raises:
        segnet.errors.UserError: a value is out of its range; the message names the setting.
    """

    def __init__(self, ignore_index: int, probability: float = 0.5) -> None:
        _check_probability(probability)
        self.ignore_index, self.probability = ignore_index, probability

    def draw(self, size: Sequence[int], random: np.random.Generator) -> np.ndarray:
        """Draw an order of all labels, ``(256,)``; the classes that come first in it are taken."""
        return random.permutation(LABELS)

    def choose(self, label: Tensor, drawn: Tensor) -> Tensor:
        """Return the pixels of the chosen classes."""
        # With tensors alone, so that nobody waits for a GPU.
        values = label.flatten().long()
        present = torch.zeros(LABELS, dtype=torch.bool, device=label.device)
        present[values] = True
        present[self.ignore_index] = False
        places = torch.where(present, drawn, LABELS)
        last = ((present.sum() + 1) // 2 - 1).clamp(min=0)
        taken = present & (places <= places.sort().values.gather(0, last[None]))
        return taken[values].view_as(label)


def lay_over(chosen: Tensor, source: Tensor, source_label: Tensor, image: Tensor, label: Tensor) -> None:
    """Copy chosen pixels ``(H, W)`` of a source ``(C, H, W)`` and its label ``(H, W)`` into a sample, in place."""
    torch.where(chosen, source, image, out=image)
    torch.where(chosen, source_label, label, out=label)


def _check_probability(probability: float) -> None:
    require(0 <= probability <= 1, "data.mix.probability", probability, "a number from 0 to 1")
