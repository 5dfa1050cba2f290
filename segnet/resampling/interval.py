"""What all intervals share."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
FloatArray = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """A confidence interval; NaN on both sides where there is none."""

    low: float
    high: float
