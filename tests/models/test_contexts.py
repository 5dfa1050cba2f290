"""Context blocks against their definition, and by their contract."""

from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import nn

from segnet.config import compose, config_dir, instantiate
from segnet.errors import UserError
from segnet.layers import LinearFusion, SeparableConvolution, SumFusion
from segnet.models import ASPP, AtrousRegularContext, NoContext, initialise
from tests.models import naive_contexts as naive

CONTEXTS = sorted(path.stem for path in (config_dir() / "context").glob("*.yaml"))


@cache
def build(name: str, *overrides: str) -> partial:
    return instantiate(compose([f"context={name}", *overrides]).context)


def test_the_contexts_are_found():
    assert {"none", "atrous_regular", "aspp", "aspp_separable"} <= set(CONTEXTS)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 6)])
@pytest.mark.parametrize("name", CONTEXTS)
def test_every_context_keeps_the_contract(name, size):
    context = build(name)(8)
    initialise(context, seed=0)
    features = torch.randn(1, 8, *size, generator=torch.Generator().manual_seed(1)).requires_grad_()
    for training in (True, False):
        output = context.train(training)(features)
        assert output.shape == (1, context.out_channels, *size)
        assert torch.isfinite(output).all()
    context(features).square().sum().backward()
    assert features.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in context.parameters())
    again = build(name)(8).eval()
    again.load_state_dict(context.state_dict())
    assert torch.equal(again(features), context(features))


@pytest.mark.parametrize("name", [name for name in CONTEXTS if name != "none"])
def test_the_channels_are_a_setting(name):
    fixed = compose([f"context={name}"]).context.out_channels  # null: as many as arrive
    assert build(name)(8).out_channels == (8 if fixed is None else fixed)
    context = build(name, "context.out_channels=6")(8)
    assert context.out_channels == 6
    assert context.eval()(torch.randn(2, 8, 5, 5)).shape == (2, 6, 5, 5)


def test_no_context_is_the_identity():
    features = torch.randn(2, 4, 3, 3)
    assert NoContext(4)(features) is features


def randomise_norms(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
    return module.double().eval()


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("size", [(5, 6), (2, 3), (1, 1)])
def test_aspp_equals_its_definition(size, separable):
    kinds = {"convolution": SeparableConvolution} if separable else {}
    context = randomise_norms(ASPP(3, 4, rates=(1, 2, 7), activation=nn.SiLU, **kinds))
    x = np.random.default_rng(0).normal(size=(2, 3, *size))
    expected = naive.aspp(x, context, rates=(1, 2, 7))
    assert np.allclose(context(torch.from_numpy(x)).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_aspp_trains_at_batch_one_on_running_statistics_in_the_pooled_branch_only():
    context = ASPP(3, 4, rates=(1, 2)).train()
    context(torch.randn(1, 3, 6, 6) + 5)
    assert context.image_pooling.norm.running_mean.abs().sum() == 0
    assert context.pointwise.norm.running_mean.abs().sum() > 0
    context(torch.randn(2, 3, 6, 6) + 5)
    assert context.image_pooling.norm.running_mean.abs().sum() > 0


def test_aspp_takes_any_number_of_rates_and_refuses_a_rate_of_zero():
    assert len(ASPP(3, 4, rates=(2,)).atrous) == 1
    assert build("aspp", "context.rates=[2,4]")(3).atrous[1].convolution.dilation == (4, 4)
    with pytest.raises(UserError, match=r"dilation \(rate\) of 1 or more, not 0"):
        ASPP(3, 4, rates=(0, 2))


@pytest.mark.parametrize("fusion", [SumFusion, LinearFusion])
def test_atrous_regular_context_joins_near_and_far(fusion):
    context = randomise_norms(AtrousRegularContext(3, 4, dilation=3, fusion=fusion, activation=nn.SiLU))
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
    expected = naive.atrous_regular(x, context, dilation=3)
    assert np.allclose(context(torch.from_numpy(x)).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_a_pixel_beyond_the_regular_kernel_reaches_the_output():
    context = AtrousRegularContext(1, 2, dilation=4).eval()
    features = torch.zeros(1, 1, 9, 9, requires_grad=True)
    context.convolution(features)[0, :, 4, 4].sum().backward()
    seen = features.grad[0, 0].nonzero().tolist()
    near = [[r, c] for r in (3, 4, 5) for c in (3, 4, 5)]
    far = [[r, c] for r in (0, 4, 8) for c in (0, 4, 8)]
    assert seen == sorted(near + [place for place in far if place not in near])


@pytest.mark.parametrize("name", CONTEXTS)
def test_the_memory_layout_goes_through_every_convolution(name):
    context = build(name)(8).to(memory_format=torch.channels_last)
    layouts = []
    for module in context.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(
                lambda _, inputs: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
            )
    output = context(torch.randn(2, 8, 5, 6).contiguous(memory_format=torch.channels_last))
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert all(layouts)
    assert layouts or name == "none"
