"""Downsampling against plain loops."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from segnet.layers import (
    MaxPool,
    RegularConvolution,
    StridedConvolution,
    flat_pool_indices,
    max_pool,
    max_unpool,
)
from segnet.layers.pooling import torch_kernels
from tests.layers import naive_convolutions as naive

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
    pooled, codes = MaxPool(17)(features)
    assert codes.dtype == torch.uint8
    indices = flat_pool_indices(codes, size)
    expected, expected_indices = naive_max_pool(features.double().numpy())
    assert np.array_equal(pooled.double().numpy(), expected)
    assert np.array_equal(indices.numpy(), expected_indices)
    assert pooled.is_contiguous(memory_format=LAYOUTS[layout])
    unpooled = max_unpool(pooled, codes, size)
    assert torch.equal(unpooled.flatten(2).gather(2, indices.flatten(2)), pooled.flatten(2))


SIZES = [(6, 8), (5, 7), (5, 6), (1, 1), (1, 4), (3, 1), (2, 2), (3, 256), (3, 255), (4, 257)]
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


def odd_values(shape: tuple[int, ...], dtype: torch.dtype, layout: str, seed: int) -> torch.Tensor:
    """Few levels, so that many tie, and zeros of both signs, infinities and NaN."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randint(-2, 3, shape, generator=generator).to(dtype)
    for value in (torch.nan, torch.inf, -torch.inf, -0.0):
        maps[torch.rand(shape, generator=generator) < 0.1] = value
    return maps.contiguous(memory_format=LAYOUTS[layout])


def assert_same_bits(actual: torch.Tensor, expected: torch.Tensor) -> None:
    assert actual.dtype == expected.dtype
    assert torch.equal(actual.isnan(), expected.isnan())
    assert torch.equal(actual.signbit() & ~actual.isnan(), expected.signbit() & ~expected.isnan())
    assert torch.equal(actual.nan_to_num(0.5), expected.nan_to_num(0.5))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_pooling_and_unpooling_have_the_bits_of_torch(size, dtype, layout):
    image = odd_values((2, 3, *size), dtype, layout, 0)
    ours, theirs = image.clone().requires_grad_(), image.clone().requires_grad_()
    pooled, codes = max_pool(ours)
    expected, indices = F.max_pool2d(theirs, 2, 2, ceil_mode=True, return_indices=True)
    assert_same_bits(pooled, expected)
    assert torch.equal(flat_pool_indices(codes, size), indices)
    assert pooled.is_contiguous(memory_format=LAYOUTS[layout])
    upstream = odd_values(tuple(pooled.shape), dtype, layout, 1)
    pooled.backward(upstream + 0)  # no -0.0, which torch adds to 0.0
    expected.backward(upstream + 0)
    assert_same_bits(ours.grad, theirs.grad)
    ours, theirs = upstream.clone().requires_grad_(), upstream.clone().requires_grad_()
    unpooled, expected = max_unpool(ours, codes, size), F.max_unpool2d(theirs, indices, 2, 2, output_size=size)
    assert_same_bits(unpooled, expected)
    unpooled.backward(image)
    expected.backward(image)
    assert_same_bits(ours.grad, theirs.grad)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_the_form_for_compilers_has_the_bits_of_the_cpu_form(size, dtype, layout):
    image = odd_values((2, 3, *size), dtype, layout, 0)
    pooled, codes = torch_kernels.pool(image)
    expected, expected_codes = torch_kernels.pool_on_cpu(image)
    assert_same_bits(pooled, expected)
    assert torch.equal(codes, expected_codes)
    values = odd_values(tuple(pooled.shape), dtype, layout, 1)
    placed = torch_kernels.unpool_on_cpu(values, codes, size)
    assert_same_bits(torch_kernels.unpool(values, codes, size), placed)
    assert_same_bits(torch_kernels.take(image, codes), torch_kernels.take_on_cpu(image, codes))


@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
def test_pooling_and_unpooling_can_be_differentiated_twice(size):
    image = (torch.arange(4 * size[0] * size[1], dtype=torch.float64) * 7 % 59).view(2, 2, *size).requires_grad_()
    _, codes = max_pool(image)
    values = torch.arange(codes.numel(), dtype=torch.float64).view(codes.shape).requires_grad_()
    for function, point in (
        (lambda maps: max_pool(maps)[0].square(), image),
        (lambda maps: max_unpool(maps, codes, size).square(), values),
    ):
        assert gradcheck(function, point)
        assert gradgradcheck(function, point)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
def test_torch_func_maps_and_differentiates_pooling_and_unpooling(size, layout):
    def pool_and_unpool(features: torch.Tensor) -> torch.Tensor:
        pooled, indices = max_pool(features)
        return max_unpool(pooled.square(), indices, size)

    images = torch.rand(3, 1, 2, *size, dtype=torch.float64)
    images = images.flatten(0, 1).contiguous(memory_format=LAYOUTS[layout]).unflatten(0, (3, 1))
    expected = torch.stack([pool_and_unpool(image) for image in images])
    assert torch.equal(torch.func.vmap(pool_and_unpool)(images), expected)
    jacobian = torch.func.jacrev(pool_and_unpool)(images[0])
    assert torch.equal(jacobian, torch.autograd.functional.jacobian(pool_and_unpool, images[0]))


def test_one_byte_for_each_value_is_all_that_is_kept():
    kept: list[torch.Tensor] = []
    image = torch.rand(2, 3, 6, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        pooled, codes = max_pool(image)
        max_unpool(pooled, codes, (6, 8))
    assert {tensor.untyped_storage().data_ptr() for tensor in kept} == {codes.untyped_storage().data_ptr()}
    assert codes.untyped_storage().nbytes() == pooled.numel()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_deterministic_mode_changes_no_bit(layout):
    image, upstream = (odd_values((2, 3, 6, 8), torch.float32, layout, seed).nan_to_num() for seed in (0, 1))
    results = []
    for deterministic in (False, True):
        features = image.clone().requires_grad_()
        torch.use_deterministic_algorithms(deterministic)
        try:
            pooled, codes = max_pool(features)
            max_unpool(pooled, codes, (6, 8)).backward(upstream)
        finally:
            torch.use_deterministic_algorithms(False)
        results.append(features.grad)
    assert torch.equal(*results)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_compile_into_one_graph(layout, backend):
    def pool_and_unpool(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled, codes = max_pool(features)
        return max_unpool(2 * pooled, codes, features.shape[-2:]), codes

    compiled = torch.compile(pool_and_unpool, backend=backend, fullgraph=True)
    for size in ((6, 8), (5, 7)):
        image = odd_values((2, 3, *size), torch.float32, layout, 0).nan_to_num()
        results = []
        for function in (pool_and_unpool, compiled):
            features = image.clone().requires_grad_()
            unpooled, codes = function(features)
            unpooled.backward(image)
            results.append((unpooled, codes, features.grad))
        assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


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
