"""Downsampling against plain loops."""

import naive_convolutions as naive
import numpy as np
import pytest
import torch
from torch import nn

from segnet.layers import MaxPool, RegularConvolution, StridedConvolution, max_unpool

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def naive_max_pool(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first largest value of each 2x2 cell in reading order; cells at the far border may be cut."""
    height, width = x.shape[2:]
    size = (-(-height // 2), -(-width // 2))
    values, indices = np.zeros((*x.shape[:2], *size)), np.zeros((*x.shape[:2], *size), dtype=np.int64)
    for n, c, i, j in np.ndindex(*x.shape[:2], *size):
        best = None
        for r in range(2 * i, min(2 * i + 2, height)):
            for s in range(2 * j, min(2 * j + 2, width)):
                if best is None or x[n, c, r, s] > x[n, c, best // width, best % width]:
                    best = r * width + s
        values[n, c, i, j], indices[n, c, i, j] = x[n, c, best // width, best % width], best
    return values, indices


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (6, 7), (1, 1), (1, 6), (3, 1)])
@pytest.mark.parametrize("levels", [2, 1000])  # with two levels nearly every cell has a tie
def test_max_pool_finds_the_first_maximum_and_where_it_was(levels, size, dtype, layout):
    # 17 channels: vectorised kernels treat the last ones apart.
    values = np.random.default_rng(0).integers(0, levels, size=(2, 17, *size)) / 8
    features = torch.from_numpy(values).to(dtype).contiguous(memory_format=LAYOUTS[layout])
    pooled, indices = MaxPool(17)(features)
    expected, expected_indices = naive_max_pool(features.double().numpy())
    assert np.array_equal(pooled.double().numpy(), expected)
    assert np.array_equal(indices.numpy(), expected_indices)
    assert pooled.is_contiguous(memory_format=LAYOUTS[layout])
    unpooled = max_unpool(pooled, indices, size)
    assert torch.equal(unpooled.flatten(2).gather(2, indices.flatten(2)), pooled.flatten(2))


def test_max_pool_sends_the_gradient_to_the_maximum():
    features = torch.tensor([[[[1.0, 2.0, 5.0], [4.0, 3.0, 5.0]]]], requires_grad=True)
    pooled, _ = MaxPool(1)(features)
    pooled.backward(torch.tensor([[[[10.0, 20.0]]]]))
    assert features.grad.tolist() == [[[[0, 0, 20], [10, 0, 0]]]]


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1)])
def test_strided_convolution_halves_and_keeps_no_indices(size):
    step = StridedConvolution(3, RegularConvolution, nn.Hardswish).double().eval()
    x = np.random.default_rng(0).normal(size=(2, 3, *size))
    output, indices = step(torch.from_numpy(x))
    convolved = naive.convolve(x, step.block.convolution.weight.detach().numpy(), stride=2) / np.sqrt(1 + 1e-5)
    assert output.shape[2:] == tuple(-(-n // 2) for n in size)
    assert np.allclose(output.detach(), convolved * np.clip(convolved + 3, 0, 6) / 6, rtol=0, atol=1e-12)
    assert indices is None
    assert MaxPool.keeps_pool_indices
    assert not StridedConvolution.keeps_pool_indices
