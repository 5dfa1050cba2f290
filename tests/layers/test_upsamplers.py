"""The notes' five upsamplers, and bicubic, against plain loops: forward and gradient."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.layers import (
    BedOfNails,
    Bicubic,
    Bilinear,
    MaxUnpool,
    Nearest,
    TransposedConvolution,
    flat_pool_indices,
)
from tests.layers import naive_upsamplers as naive

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
# Units of the last place that a sum of a few products may be off, relative to the largest value.
TOLERANCE = {torch.float64: 1e-14, torch.float32: 2e-6, torch.bfloat16: 1.5e-2}
SIZES = [  # even, odd, mixed, those that halving never gives, none at all, single pixels
    ((4, 5), (8, 10)),
    ((4, 5), (7, 9)),
    ((4, 5), (8, 9)),
    ((5, 6), (8, 7)),
    ((5, 6), (6, 12)),
    ((4, 5), (4, 5)),
    ((1, 1), (1, 1)),
    ((1, 1), (2, 2)),
    ((1, 3), (2, 5)),
]
FIXED = {
    "nearest": (Nearest, naive.nearest_taps),
    "bilinear": (Bilinear, naive.bilinear_taps),
    "bicubic": (Bicubic, naive.bicubic_taps),
    "bed_of_nails": (BedOfNails, naive.nail_taps),
}


def draw(shape: tuple[int, ...], dtype: torch.dtype, layout: str = "contiguous", seed: int = 0) -> torch.Tensor:
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(dtype)
    return values.contiguous(memory_format=LAYOUTS[layout])


def plain(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def assert_close(actual: torch.Tensor, expected: np.ndarray, what: str) -> None:
    assert actual.shape == expected.shape, what
    error = np.abs(plain(actual) - expected).max()
    assert error <= TOLERANCE[actual.dtype] * np.abs(expected).max(), f"{what}: off by {error}"


def assert_layout(tensor: torch.Tensor, layout: str) -> None:
    assert tensor.is_contiguous(memory_format=LAYOUTS[layout])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("size", "output_size"), SIZES)
@pytest.mark.parametrize("name", FIXED)
def test_fixed_operators_equal_their_definition(name, size, output_size, dtype, layout):
    build, taps = FIXED[name]
    rows, columns = taps(size[0], output_size[0]), taps(size[1], output_size[1])
    features = draw((2, 3, *size), dtype, layout).requires_grad_()
    output = build(3)(features, output_size)
    upstream = draw(output.shape, dtype, layout, seed=1)
    output.backward(upstream)

    expected = naive.spread(plain(features), rows, columns, output_size)
    assert_close(output, expected, "forward")
    assert_close(features.grad, naive.collect(plain(upstream), rows, columns, size), "gradient")
    assert output.dtype == dtype
    if name in ("nearest", "bed_of_nails"):  # they copy
        assert np.array_equal(plain(output), expected)
    if size != (1, 1):  # one pixel is in both layouts at once
        assert_layout(output, layout)


def test_nearest_and_nails_agree_at_every_size_up_to_200():
    # Rounded ratios make torch's own "nearest" miss at some sizes, 30 to 58 among them.
    for before in range(1, 201):
        ramp = torch.arange(1.0, before + 1).reshape(1, 1, 1, before)
        for after in {before, before + 1, before * 3 // 2, 2 * before - 2, 2 * before - 1, 2 * before}:
            if not before <= after <= 2 * before:
                continue
            expected = [i * before // after + 1 for i in range(after)]
            nearest = Nearest(1)(ramp, (1, after))[0, 0, 0].tolist()
            assert nearest == expected, (before, after)
            firsts = [value if value != last else 0 for last, value in pairwise([0, *expected])]
            assert BedOfNails(1)(ramp, (1, after))[0, 0, 0].tolist() == firsts, (before, after)


def pool_indices_for(
    size: tuple[int, int], output_size: tuple[int, int], channels: tuple[int, int]
) -> tuple[torch.Tensor, np.ndarray]:
    """Draw pool indices, and say where in the output plane they point: into the cells of nearest neighbour."""
    rng = np.random.default_rng(2)
    codes, positions = np.zeros((*channels, *size), np.uint8), np.zeros((*channels, *size), np.int64)
    cells = [
        [[i for i in range(after) if i * before // after == cell] for cell in range(before)]
        for before, after in zip(size, output_size, strict=True)
    ]
    for n, c, i, j in np.ndindex(codes.shape):
        below, beside = rng.integers(len(cells[0][i])), rng.integers(len(cells[1][j]))
        codes[n, c, i, j] = 2 * below + beside
        positions[n, c, i, j] = cells[0][i][below] * output_size[1] + cells[1][j][beside]
    return torch.from_numpy(codes), positions


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("size", "output_size"), SIZES)
def test_max_unpool_equals_its_definition(size, output_size, dtype, layout):
    features = draw((2, 3, *size), dtype, layout).requires_grad_()
    codes, indices = pool_indices_for(size, output_size, (2, 3))
    output = MaxUnpool(3)(features, output_size, codes.contiguous(memory_format=LAYOUTS[layout]))
    upstream = draw(output.shape, dtype, layout, seed=1)
    output.backward(upstream)
    assert np.array_equal(plain(output), naive.unpool(plain(features), indices, output_size))
    assert np.array_equal(plain(features.grad), naive.unpool_gradient(plain(upstream), indices))
    assert np.array_equal(flat_pool_indices(codes, output_size).numpy(), indices)
    if size != (1, 1):
        assert_layout(output, layout)


def test_max_unpool_refuses_what_it_cannot_place():
    features = torch.zeros(1, 4, 2, 2)
    with pytest.raises(ValueError, match="needs the pool indices of the matching encoder stage"):
        MaxUnpool(4)(features, (4, 4))
    with pytest.raises(ValueError, match=r"the features are \(1, 4, 2, 2\), the pool indices \(1, 2, 2, 2\)"):
        MaxUnpool(4)(features, (4, 4), torch.zeros(1, 2, 2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"needs pool indices of MaxPool, 0 to 3 in uint8, not torch\.int64"):
        MaxUnpool(4)(features, (4, 4), torch.zeros(1, 4, 2, 2, dtype=torch.int64))


def test_stamping_gives_the_notes_worked_example():
    features = np.array([[3.0, 4], [1, 7]])[None, None]
    kernel = np.array([[2.0, 0], [1, -1]])[None, None]
    expected = [[6, 8, 0], [5, 15, -4], [1, 6, -7]]
    assert naive.stamp(features, kernel, [0, 1], [0, 1])[0, 0].tolist() == expected
    assert F.conv_transpose2d(torch.tensor(features), torch.tensor(kernel))[0, 0].tolist() == expected


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("size", "output_size"), SIZES)
@pytest.mark.parametrize("kernel_size", [2, 3, 4])
def test_transposed_convolution_stamps(kernel_size, size, output_size, dtype, layout):
    upsampler = TransposedConvolution(3, kernel_size, bias=True).to(dtype)
    with torch.no_grad():
        upsampler.weight.copy_(draw(upsampler.weight.shape, dtype, seed=3))
        upsampler.bias.copy_(draw((3,), dtype, seed=4))
    features = draw((2, 3, *size), dtype, layout).requires_grad_()
    output = upsampler(features, output_size)
    upstream = draw(output.shape, dtype, layout, seed=1)
    output.backward(upstream)

    # The stamp of the input pixel whose nail is at p starts (k - 1) // 2 pixels before it.
    before = (kernel_size - 1) // 2
    rows, columns = ([i for i, _, _ in naive.nail_taps(*sizes)] for sizes in zip(size, output_size, strict=True))
    x, weight = plain(features), plain(upsampler.weight)
    full = naive.stamp(x, weight, rows, columns)
    window = (..., slice(before, before + output_size[0]), slice(before, before + output_size[1]))
    pad = [(0, 0), (0, 0), *((0, max(0, before + n - m)) for n, m in zip(output_size, full.shape[2:], strict=True))]
    full = np.pad(full, pad)  # a kernel of 2 or 3 may leave the last row or column without a stamp
    assert_close(output, full[window] + plain(upsampler.bias)[:, None, None], "forward")

    gradient = np.zeros(full.shape)
    gradient[window] = plain(upstream)
    of_x, of_weight = naive.stamp_gradients(gradient, x, weight, rows, columns)
    assert_close(features.grad, of_x, "gradient of the features")
    assert_close(upsampler.weight.grad, of_weight, "gradient of the kernel")
    assert_close(upsampler.bias.grad, plain(upstream).sum((0, 2, 3)), "gradient of the bias")
    if size != (1, 1):
        assert_layout(output, layout)


def test_transposed_convolution_refuses_other_kernels():
    with pytest.raises(UserError, match=r"transposed_conv takes upsampler\.kernel_size=2, 3 or 4, not 5"):
        TransposedConvolution(3, kernel_size=5)


def test_transposed_convolution_keeps_the_variance():
    upsampler = TransposedConvolution(64)
    upsampler.reset_parameters(torch.Generator().manual_seed(0))
    features = draw((2, 64, 16, 16), torch.float32)
    with torch.no_grad():
        output = upsampler(features, (32, 32))[..., 2:-2, 2:-2]
    assert 0.8 < (output.var() / features.var()).item() < 1.25


@pytest.mark.parametrize("build", [Nearest, Bilinear, Bicubic, BedOfNails, MaxUnpool, TransposedConvolution])
@pytest.mark.parametrize("output_size", [(8, 10), (7, 9), (6, 8)])
def test_deterministic_mode_is_accepted_and_changes_no_bit(build, output_size):
    upsampler = build(3)
    indices, _ = pool_indices_for((4, 5), output_size, (2, 3))
    results = []
    for deterministic in (False, True, True):
        features = draw((2, 3, 4, 5), torch.float32).requires_grad_()
        torch.use_deterministic_algorithms(deterministic)
        try:
            output = upsampler(features, output_size, indices)
            output.backward(draw(output.shape, torch.float32, seed=1))
        finally:
            torch.use_deterministic_algorithms(False)
        results.append((output.detach(), features.grad))
    for output, gradient in results[1:]:
        assert torch.equal(output, results[0][0])
        assert torch.equal(gradient, results[0][1])
