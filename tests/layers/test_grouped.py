"""Grouped and depthwise convolutions with gradients of their own, against torch's in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segnet.layers import Convolution, DepthwiseConvolution, Rules, replace_convolutions
from segnet.layers.grouped import convolve_grouped, is_channels_last
from segnet.layers.rewrites.exact import convolve_map, seen_taps
from segnet.layers.rewrites.kernel import Kernel
from segnet.layers.rewrites.upsampling import nails_joined
from tests.layers.float64_checks import assert_same, draw, draw_kernel, leaves_of

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["grouped", "depthwise", "depthwise multiplied"])
@pytest.mark.parametrize(
    ("taps", "dilation", "size"),
    [(3, 2, (9, 12)), (3, 4, (21, 30)), (3, 8, (33, 29)), (5, 4, (27, 20)), (3, 12, (24, 24)), (3, 7, (40, 15))],
)
def test_atrous(layout, kind, taps, dilation, size):
    kernel, channels = draw_kernel(kind, taps, dilation, bias=True)
    features = draw(2, channels, *size).contiguous(memory_format=LAYOUTS[layout]).requires_grad_()

    def ours():
        return convolve_grouped(features, kernel.weight, kernel.bias, 1, dilation, kernel.groups)

    assert is_channels_last(ours()) == (layout == "channels_last")
    assert_same(
        ours,
        lambda: F.conv2d(features, kernel.weight, kernel.bias, 1, dilation * (taps // 2), dilation, kernel.groups),
        leaves_of(features, kernel),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("taps", "stride"), [(3, 2), (3, 3), (5, 2), (5, 3)])
def test_strides(layout, taps, stride):
    kernel, channels = draw_kernel("depthwise", taps)
    for size in [(1, 1), (2, 7), (8, 9), (11, 16)]:
        features = draw(2, channels, *size).contiguous(memory_format=LAYOUTS[layout]).requires_grad_()
        assert_same(
            lambda f=features: convolve_grouped(f, kernel.weight, None, stride, 1, channels),
            lambda f=features: F.conv2d(f, kernel.weight, None, stride, taps // 2, 1, channels),
            [features, kernel.weight],
        )


@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_what_is_frozen_gets_no_gradient(frozen):
    kernel, channels = draw_kernel("depthwise", 3, 2, bias=True)
    leaves = leaves_of(draw(1, channels, 8, 9).requires_grad_(), kernel)
    leaves[frozen].requires_grad_(False)
    convolve_grouped(*leaves, 1, 2, channels).sum().backward()
    assert [leaf.grad is None for leaf in leaves] == [place == frozen for place in range(3)]


def test_gradients_of_gradients():
    kernel, channels = draw_kernel("depthwise", 3, 2)
    features = draw(1, channels, 7, 6).requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda f, w: convolve_grouped(f, w, None, 1, 2, channels), (features, kernel.weight)
    )


def relative_errors(module: nn.Module, features: torch.Tensor) -> dict[str, float]:
    """Compare result and gradients in bf16 with those of the same numbers in float64."""
    found = []
    for dtype in (torch.bfloat16, torch.float64):
        leaf = features.bfloat16().to(dtype).requires_grad_()
        module = module.to(torch.bfloat16).to(dtype).to(memory_format=torch.channels_last)
        result = module(leaf)
        direction = draw(*result.shape).bfloat16().to(dtype).contiguous(memory_format=torch.channels_last)
        gradients = torch.autograd.grad(result, [leaf, module.weight], direction)
        found.append([result.detach(), *gradients])
    return {
        name: float((low.double() - high).abs().max() / high.abs().max())
        for name, low, high in zip(("result", "of features", "of weights"), *found, strict=True)
    }


@pytest.mark.parametrize(("dilation", "stride"), [(1, 1), (1, 2), (2, 1), (6, 1), (8, 1), (18, 1)])
@pytest.mark.parametrize("groups", [1, 4, 32])
def test_bf16_is_right_to_its_digits(dilation, stride, groups):
    """oneDNN's own gradient of the weights, atrous, grouped and channels_last, is wrong by its size on some CPUs."""
    network = nn.Sequential(nn.Conv2d(32, 32, 3, stride, dilation, dilation, groups, bias=False))
    replace_convolutions(network)
    (layer,) = network
    assert isinstance(layer, Convolution) == (groups > 1 or dilation > 1)
    features = draw(2, 32, 24, 32).contiguous(memory_format=torch.channels_last)
    errors = relative_errors(layer, features)
    assert max(errors.values()) < 0.02, errors


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_gives_the_types_and_the_sizes_of_torch_s_own(dtype):
    module = DepthwiseConvolution(8, dilation=2)
    features = torch.randn(1, 8, 16, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        result = module(features)
        plain = nn.Conv2d.forward(module, features)
    assert result.dtype == plain.dtype == dtype
    for one, other in zip(
        torch.autograd.grad(result.sum(), [features, module.weight]),
        torch.autograd.grad(plain.sum(), [features, module.weight]),
        strict=True,
    ):
        assert one.dtype == other.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.05)


@pytest.mark.parametrize(
    ("dilation", "size", "taps"),
    [(1, (9, 9), (3, 3)), (6, (6, 7), (1, 3)), (6, (7, 6), (3, 1)), (12, (12, 12), (1, 1)), (1, (1, 2), (1, 3))],
)
def test_taps_that_see_only_padding_are_left_out(dilation, size, taps):
    kernel, channels = draw_kernel("dense", 3, dilation)
    seen = seen_taps(kernel.weight, dilation, size)
    assert seen.shape[-2:] == taps
    assert (seen is kernel.weight) == (taps == (3, 3))
    forms = []
    convolve_map(draw(1, channels, *size), kernel, Rules(listener=forms.append))
    assert len(forms) == (taps != (3, 3))


def test_five_taps_lose_the_outer_ring_first():
    weight = draw(1, 1, 5, 5)
    assert torch.equal(seen_taps(weight, 3, (6, 4)), weight[..., 1:-1, 1:-1])
    assert torch.equal(seen_taps(weight, 3, (7, 4)), weight[..., :, 1:-1])


def test_a_library_s_network_keeps_weights_and_names():
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, 1, 2, 2),
        nn.Conv2d(4, 4, 3, 2, 1, groups=4),
        nn.Conv2d(4, 4, 3, 1, 1),
        nn.Conv2d(4, 4, 3, 1, 0, groups=4),  # makes the map smaller
        nn.Conv2d(4, 4, 3, 1, 2, 2, padding_mode="reflect"),
        nn.Conv2d(4, 4, (1, 3), 1, (0, 1), groups=4),
    )
    features, before = torch.randn(2, 4, 12, 13), {key: value.clone() for key, value in network.state_dict().items()}
    expected = network(features)
    replace_convolutions(network)
    assert [isinstance(module, Convolution) for module in network] == [True, True, *[False] * 4]
    assert network.state_dict().keys() == before.keys()
    torch.testing.assert_close(network(features), expected)


def test_rules_tell_groups_layouts_and_precisions_apart():
    def draw_map(layout: torch.memory_format, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.rand(1, 4, 12, 12, dtype=dtype).contiguous(memory_format=layout)

    def weight(outputs: int, inputs: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.rand(outputs, inputs, 3, 3, dtype=dtype)

    forms = []
    contiguous, channels_last = LAYOUTS.values()
    rules = Rules(listener=forms.append)
    convolve_map(draw_map(channels_last), Kernel(weight(4, 1), None, 2, 4), rules)
    convolve_map(draw_map(channels_last), Kernel(weight(6, 2), None, 3, 2), rules)
    convolve_map(draw_map(channels_last)[..., 2:], Kernel(weight(4, 1), None, 4, 4), rules)
    convolve_map(draw_map(contiguous), Kernel(weight(4, 1), None, 5, 4), rules)
    convolve_map(
        draw_map(contiguous, torch.bfloat16), Kernel(weight(4, 1, torch.bfloat16), None, 1, 4), rules, stride=2
    )
    convolve_map(draw_map(contiguous), Kernel(weight(4, 1), None, 1, 4), rules, stride=2)
    assert forms == [
        "depthwise 3x3, dilation 2 -> gradients by 2x2 phases",
        "grouped 3x3, dilation 3 -> gradients by 3x3 phases",
        "depthwise 3x3, dilation 4 -> gradients by 4x4 phases",
        "depthwise 3x3 -> gradients by nails",
    ]


def test_nails_and_a_depthwise_convolution_stay_plain_in_16_bits():
    kernel, size = Kernel(torch.rand(4, 1, 3, 3), None, 1, 4), (10, 12)
    features = torch.rand(1, 4, 5, 6)
    assert nails_joined(features, size, kernel, Rules()) is not None
    with torch.autocast("cpu", torch.bfloat16):
        assert nails_joined(features, size, kernel, Rules()) is None
        assert nails_joined(features, size, Kernel(torch.rand(4, 4, 3, 3)), Rules()) is not None
