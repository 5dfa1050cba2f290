"""Convolution as the notes write it, in plain loops over numpy arrays; the gradients by the notes' chain rule."""

import numpy as np


def convolve_1d(w: np.ndarray, x: np.ndarray, flip: bool = True) -> np.ndarray:
    """The notes' ``y_i = sum over i' from -l to l of w_i' x_(i - i')``, where all of it is inside: 2l smaller.

    ``w`` holds ``w_-l ... w_l``. Without the flip, ``x_(i + i')``: cross-correlation.
    """
    l = len(w) // 2  # noqa: E741 -- the notes' letter
    y = np.zeros(len(x) - 2 * l)
    for i in range(l, len(x) - l):
        for tap in range(-l, l + 1):
            y[i - l] += w[tap + l] * x[i - tap if flip else i + tap]
    return y


def convolve_1d_gradients(dc_dy: np.ndarray, w: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The notes' rule: ``x_i`` influences ``y_(i - l)`` to ``y_(i + l)``, ``dy_(i + i') / dx_i = w_i'``.

    So ``dc/dx_i = sum over i' of dc/dy_(i + i') w_i'`` (the kernel, not flipped, runs over the gradient), and, each
    tap having met every ``x_(i - i')``, ``dc/dw_i' = sum over i of dc/dy_i x_(i - i')``.
    """
    l = len(w) // 2  # noqa: E741
    dc_dx, dc_dw = np.zeros(len(x)), np.zeros(len(w))
    for i in range(len(x)):
        for tap in range(-l, l + 1):
            if l <= i + tap < len(x) - l:  # where y is
                dc_dx[i] += dc_dy[i + tap - l] * w[tap + l]
    for tap in range(-l, l + 1):
        for i in range(l, len(x) - l):
            dc_dw[tap + l] += dc_dy[i - l] * x[i - tap]
    return dc_dx, dc_dw


def _places(x: np.ndarray, w: np.ndarray, stride: int, dilation: int, padding: str, flip: bool):
    """Yield for each output pixel and tap ``(i, j, u, v, r, c)``: x at (r, c) meets w at (u, v) for y at (i, j)."""
    (height, width), reach = x.shape[2:], w.shape[2] // 2
    first = 0 if padding == "same" else reach * dilation  # the first and last centre of the kernel
    rows, columns = range(first, height - first, stride), range(first, width - first, stride)
    for i, centre_row in enumerate(rows):
        for j, centre_column in enumerate(columns):
            for u in range(w.shape[2]):
                for v in range(w.shape[3]):
                    down, right = dilation * (u - reach), dilation * (v - reach)
                    r = centre_row - down if flip else centre_row + down
                    c = centre_column - right if flip else centre_column + right
                    if 0 <= r < height and 0 <= c < width:
                        yield i, j, u, v, r, c


def output_size(size: tuple[int, int], kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    lost = 0 if padding == "same" else 2 * (kernel // 2) * dilation
    return tuple(len(range(0, n - lost, stride)) for n in size)


def convolve(
    x: np.ndarray, w: np.ndarray, stride: int = 1, dilation: int = 1, padding: str = "same", flip: bool = False
) -> np.ndarray:
    """Dense convolution of ``x`` (N, C, H, W) with ``w`` (F, C, k, k)."""
    y = np.zeros((x.shape[0], w.shape[0], *output_size(x.shape[2:], w.shape[2], stride, dilation, padding)))
    for i, j, u, v, r, c in _places(x, w, stride, dilation, padding, flip):
        for f in range(w.shape[0]):
            for channel in range(w.shape[1]):
                y[:, f, i, j] += w[f, channel, u, v] * x[:, channel, r, c]
    return y


def convolve_gradients(
    dc_dy: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    stride: int = 1,
    dilation: int = 1,
    padding: str = "same",
    flip: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of ``x`` and ``w``: along each path from an input pixel to an output pixel, the weight or the value."""
    dc_dx, dc_dw = np.zeros(x.shape), np.zeros(w.shape)
    for i, j, u, v, r, c in _places(x, w, stride, dilation, padding, flip):
        for f in range(w.shape[0]):
            for channel in range(w.shape[1]):
                dc_dx[:, channel, r, c] += dc_dy[:, f, i, j] * w[f, channel, u, v]
                dc_dw[f, channel, u, v] += (dc_dy[:, f, i, j] * x[:, channel, r, c]).sum()
    return dc_dx, dc_dw


def depthwise(x: np.ndarray, w: np.ndarray, stride: int = 1, dilation: int = 1, padding: str = "same") -> np.ndarray:
    """Each channel of ``x`` with its own kernel of ``w`` (C, k, k)."""
    channels = [convolve(x[:, [c]], w[None, [c]], stride, dilation, padding) for c in range(x.shape[1])]
    return np.concatenate(channels, axis=1)
