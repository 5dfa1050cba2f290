"""The upsamplers of later papers by their formulas, in plain loops over numpy arrays; the result is (N, C, 2h, 2w)."""

import math

import numpy as np


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Cross-correlation of ``x`` (N, C, h, w) with ``weight`` (F, C, k, k), zeros outside."""
    reach = weight.shape[2] // 2
    y = np.zeros((x.shape[0], weight.shape[0], *x.shape[2:]))
    for f, c, u, v in np.ndindex(weight.shape):
        for i, j in np.ndindex(x.shape[2:]):
            r, s = i + u - reach, j + v - reach
            if 0 <= r < x.shape[2] and 0 <= s < x.shape[3]:
                y[:, f, i, j] += weight[f, c, u, v] * x[:, c, r, s]
    return y if bias is None else y + bias[:, None, None]


def shuffle(x: np.ndarray) -> np.ndarray:
    """Shi et al. 2016, equation 4, for r = 2: channel ``4c + 2 (row % 2) + column % 2`` of the pixel's cell."""
    y = np.zeros((x.shape[0], x.shape[1] // 4, 2 * x.shape[2], 2 * x.shape[3]))
    for c, i, j in np.ndindex(y.shape[1:]):
        y[:, c, i, j] = x[:, 4 * c + 2 * (i % 2) + j % 2, i // 2, j // 2]
    return y


def carafe(x: np.ndarray, compressor: list[np.ndarray], encoder: list[np.ndarray], taps: int) -> np.ndarray:
    """Wang et al. 2019, section 3: predict (equation 1), normalise, reassemble (equation 4)."""
    kernels = shuffle(convolve(convolve(x, *compressor), *encoder))  # (N, taps^2, 2h, 2w)
    y, reach = np.zeros((*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])), taps // 2
    for n, i, j in np.ndindex(y.shape[0], *y.shape[2:]):
        weights = np.exp(kernels[n, :, i, j])
        weights = (weights / weights.sum()).reshape(taps, taps)
        for u, v in np.ndindex(taps, taps):
            r, s = i // 2 + u - reach, j // 2 + v - reach
            if 0 <= r < x.shape[2] and 0 <= s < x.shape[3]:
                y[n, :, i, j] += weights[u, v] * x[n, :, r, s]
    return y


def dysample(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, groups: int) -> np.ndarray:
    """Liu et al. 2023, section 3: ``O = 0.25 linear(X)``, pixel-shuffled; a bilinear sample at G + O, by group."""
    offsets = shuffle(convolve(x, weight, bias))  # (N, 2 groups, 2h, 2w): x, y of each group
    (height, width), share = x.shape[2:], x.shape[1] // groups
    y = np.zeros((*x.shape[:2], 2 * height, 2 * width))
    for n, g, i, j in np.ndindex(x.shape[0], groups, *y.shape[2:]):
        column = (j + 0.5) / 2 + 0.25 * offsets[n, 2 * g, i, j] - 0.5  # the centre of pixel 0 is at 0
        row = (i + 0.5) / 2 + 0.25 * offsets[n, 2 * g + 1, i, j] - 0.5
        row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
        for r in (math.floor(row), math.floor(row) + 1):
            for s in (math.floor(column), math.floor(column) + 1):
                part = (1 - abs(row - r)) * (1 - abs(column - s))
                pixel = x[n, g * share : (g + 1) * share, min(r, height - 1), min(s, width - 1)]
                y[n, g * share : (g + 1) * share, i, j] += part * pixel
    return y
