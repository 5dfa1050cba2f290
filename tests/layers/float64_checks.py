"""What the tests of exact forms share: features, kernels, and a comparison of results and gradients in float64."""

from collections.abc import Callable

import torch
from torch import Tensor

from segnet.layers import Kernel

GROUPS = {"dense": (4, 6, 1), "grouped": (4, 6, 2), "depthwise": (4, 4, 4), "depthwise multiplied": (3, 6, 3)}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw_kernel(kind: str, taps: int, dilation: int = 1, bias: bool = False) -> tuple[Kernel, int]:
    inputs, outputs, groups = GROUPS[kind]
    weight = draw(outputs, inputs // groups, taps, taps, seed=1).requires_grad_()
    return Kernel(weight, draw(outputs, seed=2).requires_grad_() if bias else None, dilation, groups), inputs


def assert_same(exact: Callable[[], Tensor], expected: Callable[[], Tensor], leaves: list[Tensor]) -> None:
    """Results and gradients of all leaves agree to 1e-12 of the largest value."""
    one, other = exact(), expected()
    assert one.shape == other.shape
    direction = draw(*one.shape, seed=3)
    gradients = (torch.autograd.grad(result, leaves, direction) for result in (one, other))
    for value, reference in [(one, other), *zip(*gradients, strict=True)]:
        scale = max(1.0, reference.abs().max().item())
        torch.testing.assert_close(value, reference, rtol=0, atol=1e-12 * scale)


def leaves_of(features: Tensor, kernel: Kernel) -> list[Tensor]:
    return [features, kernel.weight, *([] if kernel.bias is None else [kernel.bias])]
