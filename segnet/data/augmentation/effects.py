"""What happens to the pixels of a sample in place: grey, blur, noise and cut-out, each sample by its own amount.

They are drawn from a stream beside the sample's own, so that all else that is drawn stays as it was. Values are
0..255. Noise is a function of its seed and the place of a pixel, in integers: the same on every device.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from segnet.data.augmentation.colour import luma
from segnet.data.augmentation.transform import smooth_axis
from segnet.errors import require

GREY, SIGMA, NOISE, SEED, TOP, LEFT, BOTTOM, RIGHT = range(8)
"""Places in what is drawn for a sample."""
CUT = (0.1, 0.4)
"""Smallest and largest side of the rectangle that is cut out, of the result's side."""
NOISE_SEEDS = 2**24
"""How many there are: float32 holds them exactly."""


class Effects(NamedTuple):
    """How likely and how strong.

    Attributes:
        grey: probability that a sample loses its colours.
        blur: largest standard deviation of a Gaussian blur, pixels of the result; drawn uniformly from 0 up.
        noise: largest standard deviation of noise, of white; drawn uniformly from 0 up. The noise is the sum of four
            uniform numbers, which is nearly Gaussian and ends at 3.5 standard deviations.
        cut_out: probability that a rectangle is filled, and its label ignored (DeVries & Taylor 2017).
    """

    grey: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    cut_out: float = 0.0

    def check(self) -> None:
        """Check the ranges.

        Raises:
            segnet.errors.UserError: a value is out of its range.
        """
        for name, limit in {"grey": 1, "blur": 10, "noise": 1, "cut_out": 1}.items():
            value = getattr(self, name)
            require(0 <= value <= limit, f"data.augmentation.{name}", value, f"a number from 0 to {limit}")

    def draw(self, size: Sequence[int], random: np.random.Generator) -> np.ndarray:
        """Draw the eight numbers of one sample, also of what is switched off.

        Args:
            size: height and width of the result.
            random: a stream of their own.
        """
        grey, share = float(random.random() < self.grey), random.random(2)
        seed = random.integers(NOISE_SEEDS)
        cut = random.random() < self.cut_out
        first, last = [], []
        for side in size:
            length = max(1, round(side * random.uniform(*CUT)))
            first.append(int(random.integers(side - length + 1)))
            last.append(first[-1] + (length if cut else 0))
        return np.array([grey, share[0] * self.blur, 255 * share[1] * self.noise, seed, *first, *last])

    def change_values(self, values: Tensor, drawn: Tensor) -> Tensor:
        """Apply grey, blur and noise to values ``(N, C, H, W)`` by what was drawn, ``(N, 8)``."""
        if self.grey > 0 and values.shape[1] == 3:
            chosen = drawn[:, GREY] > 0
            if chosen.device.type != "cpu" or chosen.any():  # a GPU would have to be waited for
                values = torch.where(chosen[:, None, None, None], luma(values), values)
        if self.blur > 0:
            weights = gaussian_weights(drawn[:, SIGMA], radius=int(np.ceil(3 * self.blur)))
            values = smooth_axis(smooth_axis(values, weights, axis=2), weights, axis=3)
        if self.noise > 0:
            values = values + noise(values.shape, drawn[:, SEED].long()) * drawn[:, NOISE, None, None, None]
            values = values.clamp_(0, 255)
        return values

    def cut(self, images: Tensor, labels: Tensor, drawn: Tensor, fill: Sequence[float], ignore_index: int) -> None:
        """Fill the rectangle of each image ``(N, C, H, W)``, and ignore its label ``(N, H, W)``, in place."""
        if self.cut_out == 0:
            return
        rows, columns = (torch.arange(side, device=labels.device) for side in labels.shape[1:])
        top, left, bottom, right = drawn[:, TOP:, None, None].unbind(1)
        rows, columns = rows[None, :, None], columns[None, None, :]
        inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        for channel, value in enumerate(fill):
            images[:, channel].masked_fill_(inside, round(value))
        labels.masked_fill_(inside, ignore_index)


def gaussian_weights(sigma: Tensor, radius: int) -> Tensor:
    """Weights ``(N, radius + 1)`` of the taps at distance 0, 1, ..., whose two sides sum to 1; 0 is the identity."""
    distance = torch.arange(1, radius + 1, device=sigma.device)
    sides = torch.exp(-0.5 * (distance / sigma.clamp(min=1e-3)[:, None]) ** 2)
    total = 1 + 2 * sides.sum(1, keepdim=True)
    return torch.cat([1 / total, sides / total], dim=1)


def noise(shape: Sequence[int], seeds: Tensor) -> Tensor:
    """Return noise of mean 0 and standard deviation 1, float32, of a shape ``(N, ...)``, by seeds ``(N,)``."""
    count = int(np.prod(shape[1:]))
    bits = torch.arange(count, device=seeds.device)[None] + (seeds[:, None] << 32)
    for multiplier, shift in ((-0x61C8864680B583EB, 32), (-0x4B47D0C5A1A6E8B3, 29), (0x14C1F0C2B8F2C3A5, 32)):
        bits = bits * multiplier
        bits ^= (bits >> shift) & ((1 << (64 - shift)) - 1)
    parts = sum(((bits >> (16 * place)) & 0xFFFF) for place in range(4))
    assert isinstance(parts, Tensor)
    return ((parts - 2 * 0xFFFF).float() * (3**0.5 / 65536)).view(*shape)
