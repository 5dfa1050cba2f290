"""Parts that break the rule of fairness, each in its own way."""

import itertools

import numpy as np
import torch

from segnet.data import Shapes
from segnet.models import PlainEncoder

_loads = itertools.count()


class LeakyShapes(Shapes):
    """Its images depend on how many were loaded before, in this process."""

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        image, label = super().load(index, random)
        image = image.copy()
        image.flat[0] = next(_loads) % 256
        return image, label


class DriftingEncoder(PlainEncoder):
    """Starts from torch's global stream, which every network moves on."""

    def initialise(self, generator: torch.Generator) -> None:
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_()
