"""Atrous joined with regular convolution: concatenation, sum, linear combination."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from segnet.errors import UserError
from segnet.layers import (
    AtrousRegularConvolution,
    ConcatFusion,
    ConvBlock,
    LinearFusion,
    SeparableConvolution,
    SumFusion,
    fusion_weights,
)
from segnet.models import initialise
from tests.layers import naive_convolutions as naive


def branches(module: AtrousRegularConvolution, x: np.ndarray, stride: int, dilation: int) -> list[np.ndarray]:
    regular, atrous = module.regular.weight.detach().numpy(), module.atrous.weight.detach().numpy()
    return [naive.convolve(x, regular, stride), naive.convolve(x, atrous, stride, dilation)]


@pytest.mark.parametrize(("stride", "dilation", "outputs"), [(1, 2, 4), (2, 3, 5), (1, 4, 2)])
@pytest.mark.parametrize("fusion", [ConcatFusion, SumFusion, LinearFusion])
def test_the_three_ways_to_join_equal_their_definition(fusion, stride, dilation, outputs):
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 6))
    module = AtrousRegularConvolution(3, outputs, stride=stride, dilation=dilation, fusion=fusion).double()
    if fusion is LinearFusion:
        with torch.no_grad():
            module.fusion.weight.copy_(torch.tensor([0.5, -2.0]))
    regular, atrous = branches(module, x, stride, dilation)
    expected = {
        ConcatFusion: lambda: np.concatenate([regular, atrous], axis=1),
        SumFusion: lambda: regular + atrous,
        LinearFusion: lambda: 0.5 * regular - 2 * atrous,
    }[fusion]()
    output = module(torch.from_numpy(x)).detach().numpy()
    assert output.shape == (2, outputs, -(-7 // stride), -(-6 // stride))
    assert np.allclose(output, expected, rtol=0, atol=1e-12)


def test_concatenation_costs_no_more_parameters_than_one_convolution():
    module = AtrousRegularConvolution(3, 5)
    assert module.fusion.branch_channels == (3, 2)
    assert sum(p.numel() for p in module.parameters()) == 3 * 5 * 9
    with pytest.raises(UserError, match="fusion=concat cannot share 1 channels among 2 branches: choose fusion=sum"):
        AtrousRegularConvolution(3, 1)


def test_a_kernel_of_one_tap_has_one_branch():
    module = AtrousRegularConvolution(3, 4, kernel_size=1, stride=2, fusion=LinearFusion)
    x = torch.randn(2, 3, 5, 6)
    assert torch.equal(module(x), module.regular(x))
    assert sum(p.numel() for p in module.parameters()) == 12
    assert fusion_weights(module) == {}


def test_linear_weights_start_at_one_learn_and_can_be_read():
    block = ConvBlock(3, 4, 2, partial(AtrousRegularConvolution, fusion=LinearFusion))
    initialise(block, seed=0)
    names = [f"{i}.convolution.fusion/{branch}" for i in range(2) for branch in ("regular", "atrous")]
    assert fusion_weights(block) == dict.fromkeys(names, 1.0)
    block(torch.randn(2, 3, 8, 8)).square().sum().backward()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter -= 0.01 * parameter.grad
    assert all(weight != 1.0 for weight in fusion_weights(block).values())
    assert block[0].convolution.fusion.fusion_weights().keys() == {"regular", "atrous"}


def test_linear_fusion_gradient_is_the_branch_itself():
    fusion = LinearFusion(2, ("regular", "atrous")).double()
    outputs = [torch.randn(1, 2, 3, 3, dtype=torch.float64) for _ in range(2)]
    fusion(outputs).sum().backward()
    assert torch.allclose(fusion.weight.grad, torch.stack([output.sum() for output in outputs]))


def test_the_branches_can_be_separable_and_layouts_are_kept():
    module = AtrousRegularConvolution(4, 4, fusion=SumFusion, convolution=SeparableConvolution)
    assert isinstance(module.atrous, SeparableConvolution)
    assert module.atrous.depthwise.dilation == (2, 2)
    assert isinstance(module.regular, nn.Module)
    for fusion in (ConcatFusion, SumFusion, LinearFusion):
        module = AtrousRegularConvolution(4, 4, fusion=fusion).to(memory_format=torch.channels_last)
        output = module(torch.randn(2, 4, 5, 6).contiguous(memory_format=torch.channels_last))
        assert output.is_contiguous(memory_format=torch.channels_last)
