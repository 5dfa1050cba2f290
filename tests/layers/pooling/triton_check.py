"""Compares the Triton pooling with the plain form, bit by bit; run as a program, since Triton reads its mode at import.

python triton_check.py DEVICE      (on the CPU with TRITON_INTERPRET=1)
"""

import itertools
import sys

import torch

from segnet.layers.pooling import pool as pooling
from segnet.layers.pooling import torch_kernels, triton_kernels

SIZES = [(5, 7), (1, 4), (21, 22)]  # the last takes several programs
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def draw(shape: tuple[int, ...], dtype: torch.dtype, layout: torch.memory_format, device: str) -> torch.Tensor:
    """Few levels, so that many tie, and some values that compare oddly."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randint(-2, 3, shape, generator=generator).to(dtype)
    for value in (torch.nan, torch.inf, -torch.inf, -0.0):
        maps[torch.rand(shape, generator=generator) < 0.1] = value
    return maps.to(device).contiguous(memory_format=layout)


def bits(maps: torch.Tensor) -> torch.Tensor:
    return maps.contiguous().view(torch.uint8)


def compare(device: str) -> int:
    """Return the number of cases; a difference raises."""
    count = 0
    for size, dtype, layout in itertools.product(SIZES, DTYPES, LAYOUTS):
        case = (size, dtype, layout)
        features = draw((2, 3, *size), dtype, layout, device)
        expected, actual = torch_kernels.pool(features), triton_kernels.pool(features)
        values, codes = actual
        gradient = draw(tuple(values.shape), dtype, layout, device)
        pairs = [
            *zip(expected, actual, strict=True),
            (torch_kernels.unpool(gradient, codes, size), triton_kernels.unpool(gradient, codes, size)),
            (torch_kernels.take(features, codes), triton_kernels.take(features, codes)),
        ]
        for plain, triton in pairs:
            assert torch.equal(bits(plain), bits(triton)), case
        assert all(result.is_contiguous(memory_format=layout) for result in actual), case
        assert pairs[2][1].is_contiguous(memory_format=torch_kernels.layout_of(codes)), case
        count += 1
    empty = torch.zeros(0, 3, 4, 4, device=device)
    assert triton_kernels.pool(empty)[0].shape == (0, 3, 2, 2)
    return count


def check_operators(device: str) -> None:
    """The compiler is told the shapes and layouts that really come."""
    for layout in LAYOUTS:
        features = draw((2, 3, 5, 7), torch.float32, layout, device)
        values, codes = triton_kernels.pool(features)
        tests = ("test_schema", "test_faketensor")
        torch.library.opcheck(torch.ops.segnet.max_pool_2x2.default, (features,), test_utils=tests)
        torch.library.opcheck(torch.ops.segnet.max_unpool_2x2.default, (values, codes, 5, 7), test_utils=tests)
        torch.library.opcheck(torch.ops.segnet.take_2x2.default, (features, codes), test_utils=tests)


def check_gradients(device: str) -> None:
    """The kernels stand behind the functions that networks call; on the CPU they are put there."""
    if device == "cpu":
        pooling._pool, pooling._unpool, pooling._take = triton_kernels.pool, triton_kernels.unpool, triton_kernels.take
    features = draw((2, 3, 5, 7), torch.float32, torch.channels_last, device).nan_to_num(0, 3, -3).requires_grad_()
    values, codes = pooling.max_pool(features)
    output = pooling.max_unpool(2 * values, codes, (5, 7))
    output.backward(torch.ones_like(output))
    chosen = torch_kernels.unpool(torch.full_like(values, 2), codes, (5, 7))
    assert torch.equal(features.grad, chosen)
    assert features.grad.sum() == 2 * values.numel()


if __name__ == "__main__":
    device = sys.argv[1]
    check_operators(device)
    print(compare(device), "cases agree")
    check_gradients(device)
