"""Convolutions against plain loops, the notes' back-propagation rule, and the notes' cost of the separable one."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from segnet.errors import UserError
from segnet.layers import (
    BatchNorm,
    ConvBlock,
    ConvNormAct,
    FlippedConvolution,
    RegularConvolution,
    SeparableConvolution,
)
from segnet.models import initialise
from tests.layers import naive_convolutions as naive

RNG = np.random.default_rng(0)
SETTINGS = [  # kernel, stride, dilation, input channels, output channels, size
    (1, 1, 1, 4, 2, (4, 5)),
    (1, 2, 2, 2, 3, (5, 4)),
    (3, 1, 1, 1, 1, (6, 7)),
    (3, 2, 1, 3, 5, (6, 7)),
    (3, 2, 2, 2, 3, (7, 8)),
    (3, 1, 3, 2, 2, (7, 8)),
    (5, 1, 1, 3, 2, (7, 6)),
    (5, 3, 1, 2, 3, (9, 8)),
    (7, 1, 1, 2, 1, (8, 9)),
]


def run(module: nn.Module, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the output, the gradient that was sent into it, and the input's gradient."""
    features = torch.from_numpy(x).requires_grad_()
    output = module.double()(features)
    upstream = RNG.normal(size=output.shape)
    output.backward(torch.from_numpy(upstream))
    return output.detach().numpy(), upstream, features.grad.numpy()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("taps", [1, 3, 5, 7])
def test_the_notes_1d_convolution_and_its_back_propagation_rule(taps, flip):
    w, x = RNG.normal(size=taps), RNG.normal(size=12)
    weights, signal = torch.from_numpy(w).requires_grad_(), torch.from_numpy(x).requires_grad_()
    kernel = weights.flip(0) if flip else weights
    y = F.conv1d(signal[None, None], kernel[None, None])[0, 0]
    assert y.shape == (12 - (taps - 1),)  # 2l smaller
    assert np.allclose(y.detach(), naive.convolve_1d(w, x, flip), rtol=0, atol=1e-13)
    dc_dy = RNG.normal(size=y.shape)
    y.backward(torch.from_numpy(dc_dy))
    # Cross-correlation is the convolution with w reversed, so the rule serves it too.
    dc_dx, dc_dw = naive.convolve_1d_gradients(dc_dy, w if flip else w[::-1], x)
    assert np.allclose(signal.grad, dc_dx, rtol=0, atol=1e-13)
    assert np.allclose(weights.grad, dc_dw if flip else dc_dw[::-1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel", "stride", "dilation", "inputs", "outputs", "size"), SETTINGS)
@pytest.mark.parametrize(("build", "flip"), [(RegularConvolution, False), (FlippedConvolution, True)])
def test_dense_convolution_equals_its_definition(build, flip, kernel, stride, dilation, inputs, outputs, size, padding):
    module = build(inputs, outputs, kernel, stride, dilation, padding)
    x = RNG.normal(size=(2, inputs, *size))
    output, upstream, gradient = run(module, x)
    w = module.weight.detach().numpy()
    assert np.allclose(output, naive.convolve(x, w, stride, dilation, padding, flip), rtol=0, atol=1e-12)
    dc_dx, dc_dw = naive.convolve_gradients(upstream, x, w, stride, dilation, padding, flip)
    assert np.allclose(gradient, dc_dx, rtol=0, atol=1e-12)
    assert np.allclose(module.weight.grad, dc_dw, rtol=0, atol=1e-12)
    assert module.bias is None


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel", "stride", "dilation", "inputs", "outputs", "size"), SETTINGS)
def test_separable_convolution_equals_its_definition(kernel, stride, dilation, inputs, outputs, size, padding):
    module = SeparableConvolution(inputs, outputs, kernel, stride, dilation, padding)
    x = RNG.normal(size=(2, inputs, *size))
    output, _, _ = run(module, x)
    channels = module.pointwise.weight.detach().numpy()
    if kernel == 1:
        assert sum(p.numel() for p in module.parameters()) == inputs * outputs
        space = np.ones((inputs, 1, 1, 1))
    else:
        space = module.depthwise.weight.detach().numpy()
    mixed = naive.depthwise(x, space[:, 0], stride, dilation, padding)
    expected = np.einsum("fc,nchw->nfhw", channels[:, :, 0, 0], mixed)
    assert np.allclose(output, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("build", [RegularConvolution, FlippedConvolution, SeparableConvolution])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_same_padding_keeps_the_size_and_valid_takes_2l(build, stride, size):
    for kernel in (1, 3, 5):
        for dilation in (1, 2, 4):
            same = build(2, 3, kernel, stride, dilation)(torch.zeros(1, 2, *size))
            assert same.shape[2:] == tuple(-(-n // stride) for n in size)
    valid = build(2, 3, 5, padding="valid")(torch.zeros(1, 2, 9, 12))
    assert valid.shape[2:] == (9 - 4, 12 - 4)


def test_flipped_weights_make_the_two_convolutions_one():
    regular, flipped = RegularConvolution(3, 4), FlippedConvolution(3, 4)
    x = torch.randn(2, 3, 6, 7)
    flipped.load_state_dict({"weight": regular.weight.detach().flip(-2, -1)})
    assert torch.equal(regular(x), flipped(x))
    flipped.load_state_dict(regular.state_dict())
    assert not torch.allclose(regular(x), flipped(x), atol=0.1)


@pytest.mark.parametrize("build", [RegularConvolution, FlippedConvolution, SeparableConvolution])
def test_what_a_convolution_refuses(build):
    with pytest.raises(UserError, match=r"takes an odd kernel_size \(1, 3, 5, ...\), not 4"):
        build(2, 2, kernel_size=4)
    with pytest.raises(UserError, match=r"takes a dilation \(rate\) of 1 or more, not 0"):
        build(2, 2, dilation=0)
    with pytest.raises(UserError, match="takes padding=same or padding=valid, not full"):
        build(2, 2, padding="full")


def multiplications(module: nn.Module, image: torch.Tensor) -> list[int]:
    """Count them from each convolution's real output: one a weight of its filter, at each output value."""
    counted = []

    def count(convolution: nn.Conv2d, _inputs: tuple, output: torch.Tensor) -> None:
        counted.append(output.numel() * convolution.weight[0].numel())

    hooks = [part.register_forward_hook(count) for part in module.modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(image)
    for hook in hooks:
        hook.remove()
    assert counter.get_total_flops() == 2 * sum(counted)  # torch counts a multiplication and an addition
    return counted


def test_separable_convolution_costs_what_the_notes_say():
    image = torch.randn(1, 3, 32, 32)
    regular = RegularConvolution(3, 12, kernel_size=3, padding="valid")
    separable = SeparableConvolution(3, 12, kernel_size=3, padding="valid")
    assert regular(image).shape == separable(image).shape == (1, 12, 30, 30)
    assert multiplications(regular, image) == [291_600]
    assert multiplications(separable, image) == [24_300, 32_400]  # 56,700 together
    assert sum(p.numel() for p in regular.parameters()) == 324
    # The notes say 144, with 12 depthwise kernels; their own first step has one for each of the 3 input channels.
    assert [p.numel() for p in separable.parameters()] == [27, 36]


@pytest.mark.parametrize("build", [RegularConvolution, FlippedConvolution, SeparableConvolution])
def test_initial_weights_follow_he_and_the_seed_alone(build):
    first, second, third = (build(32, 64) for _ in range(3))
    for module, seed in ((first, 0), (second, 0), (third, 1)):
        initialise(module, seed)
    for a, b, c in zip(first.parameters(), second.parameters(), third.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert a.std().item() == pytest.approx((2 / a[0].numel()) ** 0.5, rel=0.15)


def test_batch_norm_trains_on_a_single_value():
    norm = BatchNorm(3).train()
    with torch.no_grad():
        norm.running_mean.fill_(1.0)
        norm.running_var.fill_(4.0)
    output = norm(torch.tensor([1.0, 3.0, 5.0]).reshape(1, 3, 1, 1))
    assert torch.allclose(output.flatten(), torch.tensor([0.0, 1.0, 2.0]), atol=1e-4)
    assert norm.running_mean.tolist() == [1, 1, 1]
    plain = nn.BatchNorm2d(3).train()
    features = torch.randn(1, 3, 1, 2)
    assert torch.equal(BatchNorm(3).train()(features), plain(features))  # two values have a variance


def test_blocks_run_convolution_norm_activation_in_turn():
    block = ConvBlock(2, 4, depth=3, convolution=RegularConvolution, activation=nn.SiLU)
    assert [tuple(step.convolution.weight.shape) for step in block] == [(4, 2, 3, 3), (4, 4, 3, 3), (4, 4, 3, 3)]
    step = ConvNormAct(2, 4, RegularConvolution, nn.SiLU)
    x = torch.randn(2, 2, 5, 5)
    assert torch.equal(step(x), F.silu(step.norm(step.convolution(x))))
    assert torch.equal(ConvBlock(2, 2, 0, RegularConvolution)(x), x)
    with pytest.raises(UserError, match="a block of depth 0 cannot take 2 channels to 4"):
        ConvBlock(2, 4, 0, RegularConvolution)
