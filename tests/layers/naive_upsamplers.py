"""The upsamplers by their definitions, in plain loops over numpy arrays; float64 throughout.

The fixed linear ones are lists of taps ``(output, input, weight)`` along an axis, from which forward and gradient both
follow. ``before``/``after`` are sizes along one axis; maps are ``(N, C, h, w)``.
"""

import math

import numpy as np

Taps = list[tuple[int, int, float]]


def nearest_taps(before: int, after: int) -> Taps:
    return [(i, i * before // after, 1.0) for i in range(after)]


def nail_taps(before: int, after: int) -> Taps:
    """A nail stands at the first output pixel that nearest neighbour would fill from it."""
    return [(next(i for i in range(after) if i * before // after == j), j, 1.0) for j in range(before)]


def bilinear_taps(before: int, after: int) -> Taps:
    taps = []
    for i in range(after):
        place = min(max((i + 0.5) * before / after - 0.5, 0), before - 1)
        low = math.floor(place)
        taps += [(i, low, 1 - (place - low)), (i, min(low + 1, before - 1), place - low)]
    return taps


def bicubic_taps(before: int, after: int, a: float = -0.75) -> Taps:
    """Keys 1981, equations for the cubic convolution kernel; a place beyond the border counts as the border pixel."""

    def kernel(distance: float) -> float:
        d = abs(distance)
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0

    taps = []
    for i in range(after):
        place = (i + 0.5) * before / after - 0.5
        four = range(math.floor(place) - 1, math.floor(place) + 3)
        taps += [(i, min(max(j, 0), before - 1), kernel(place - j)) for j in four]
    return taps


def spread(x: np.ndarray, rows: Taps, columns: Taps, size: tuple[int, int]) -> np.ndarray:
    """Forward: every output pixel is the sum of its taps."""
    y = np.zeros((*x.shape[:2], *size))
    for i, r, row_weight in rows:
        for j, c, column_weight in columns:
            y[:, :, i, j] += row_weight * column_weight * x[:, :, r, c]
    return y


def collect(gradient: np.ndarray, rows: Taps, columns: Taps, size: tuple[int, int]) -> np.ndarray:
    """Backward: every input pixel gets from each output pixel what it gave."""
    x = np.zeros((*gradient.shape[:2], *size))
    for i, r, row_weight in rows:
        for j, c, column_weight in columns:
            x[:, :, r, c] += row_weight * column_weight * gradient[:, :, i, j]
    return x


def unpool(x: np.ndarray, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    y = np.zeros((*x.shape[:2], *size))
    for place in np.ndindex(x.shape):
        row, column = divmod(int(indices[place]), size[1])
        y[place[0], place[1], row, column] = x[place]
    return y


def unpool_gradient(gradient: np.ndarray, indices: np.ndarray) -> np.ndarray:
    x = np.zeros(indices.shape)
    for place in np.ndindex(indices.shape):
        row, column = divmod(int(indices[place]), gradient.shape[3])
        x[place] = gradient[place[0], place[1], row, column]
    return x


def stamp(x: np.ndarray, weight: np.ndarray, rows: list[int], columns: list[int]) -> np.ndarray:
    """Add up the kernels ``weight`` (C_in, C_out, k, k), scaled by each input pixel, first corner at (row, column)."""
    kernel = weight.shape[2]
    y = np.zeros((x.shape[0], weight.shape[1], max(rows) + kernel, max(columns) + kernel))
    for n, c, r, s in np.ndindex(x.shape):
        y[n, :, rows[r] : rows[r] + kernel, columns[s] : columns[s] + kernel] += x[n, c, r, s] * weight[c]
    return y


def stamp_gradients(
    gradient: np.ndarray, x: np.ndarray, weight: np.ndarray, rows: list[int], columns: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of ``x`` and ``weight``, given that of the full stamped map."""
    kernel = weight.shape[2]
    of_x, of_weight = np.zeros(x.shape), np.zeros(weight.shape)
    for n, c, r, s in np.ndindex(x.shape):
        under = gradient[n, :, rows[r] : rows[r] + kernel, columns[s] : columns[s] + kernel]
        of_x[n, c, r, s] = (under * weight[c]).sum()
        of_weight[c] += x[n, c, r, s] * under
    return of_x, of_weight
