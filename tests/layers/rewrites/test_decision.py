"""What changes after a network was built: the cheaper form gives way to the plain one, and comes back."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm

import segnet
from segnet import layers
from segnet.layers import Rules, use_exact_rewrites

SMALL = ["data=shapes", "encoder.widths=[4,6,8]", "encoder.depths=[1,1,1]"]
NETWORKS = {
    "stages": [*SMALL, "upsampler=nearest"],
    "head first": [*SMALL, "upsampler=bilinear", "skip=none", "decoder.depths={2:1}"],
}
ALWAYS = Rules(least_pixels_nearest=0)
CONVOLUTION = "decoder.stages.1.block.0.convolution"


def build(name: str = "stages") -> nn.Module:
    return use_exact_rewrites(segnet.build_network(NETWORKS[name]), True, ALWAYS).double().eval()


def images(size: tuple[int, int] = (20, 24)) -> torch.Tensor:
    return torch.rand(1, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def forms(network: nn.Module) -> list[str]:
    """Run the network once and return the exact forms that ran."""
    found: list[str] = []
    for module in network.modules():
        if getattr(module, "rules", None) is not None:
            module.rules = Rules(least_pixels_nearest=0, listener=found.append)
    network(images())
    return found


def assert_plain(network: nn.Module, changed: str) -> None:
    """The changed stage runs in the plain form and the other one does not; both give the plain form's result."""
    observed = network(images())
    found = forms(network)
    assert len(found) == len(forms(build())) // 2, (changed, found)
    expected = use_exact_rewrites(network, False)(images())
    # Relative to the largest logit: a spectral norm that has not converged can make the logits large.
    torch.testing.assert_close(observed / expected.abs().max(), expected / expected.abs().max(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_rewritten_network_says_so_and_the_plain_one_does_not(name):
    network = build(name)
    sign = {"stages": "(exact): UpsampledConvolution(Nearest, skip and", "head first": "after the 1x1 behind it"}[name]
    assert sign in repr(network)
    assert forms(network)
    plain = use_exact_rewrites(copy.deepcopy(network), False)
    assert sign not in repr(plain)
    assert not forms(plain)
    assert plain.state_dict().keys() == network.state_dict().keys()
    assert repr(use_exact_rewrites(plain, True)) == repr(network)


def test_a_hook_brings_the_plain_form_back_until_it_is_removed():
    network, before = build(), forms(build())
    handle = network.get_submodule(CONVOLUTION).register_forward_hook(lambda *arguments: None)
    assert len(forms(network)) < len(before)
    handle.remove()
    assert forms(network) == before


class Half(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight / 2


CHANGES = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "spectral norm by a hook": spectral_norm,
    "pruning": lambda module: prune.l1_unstructured(module, "weight", amount=0.5),
    "parametrisation": lambda module: parametrize.register_parametrization(module, "weight", Half()),
    "quantisation": lambda module: parametrize.register_parametrization(
        module, "weight", torch.ao.quantization.FakeQuantize(), unsafe=True
    ),
    "another forward": lambda module: setattr(module, "forward", lambda features: -nn.Conv2d.forward(module, features)),
}


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning", "ignore:.*deprecated:FutureWarning")
@pytest.mark.parametrize("change", CHANGES)
def test_changed_weights_are_those_that_convolve(change):
    network = build()
    CHANGES[change](network.get_submodule(CONVOLUTION))
    assert_plain(network.double().eval(), change)


def test_a_replaced_part_is_the_one_that_runs():
    network = build()
    network.set_submodule("decoder.stages.1.upsampler", layers.Bilinear(4))
    assert_plain(network, "upsampler")
    convolution = network.get_submodule(CONVOLUTION)
    network = build()
    network.set_submodule(CONVOLUTION, copy.deepcopy(convolution))
    assert_plain(network, "convolution")


@pytest.mark.parametrize("name", NETWORKS)
def test_global_hooks_see_tensors_and_the_cheaper_form_stays(name):
    network, before, seen = build(name), forms(build(name)), []

    def check(values) -> None:
        for value in values if isinstance(values, tuple | list) else [values]:
            if isinstance(value, tuple | list):
                check(value)
            else:
                assert value is None or isinstance(value, torch.Tensor | int | bool), type(value)
        seen.append(values)

    handles = [
        register_module_forward_pre_hook(lambda module, args: check(args)),
        register_module_forward_hook(lambda module, args, output: check([args, output])),
    ]
    try:
        assert forms(network) == before
    finally:
        for handle in handles:
            handle.remove()
    assert seen


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_have_weights_of_their_own(copied, name):
    network = build(name)
    twin = copied(network)
    assert torch.equal(twin(images()), network(images()))
    assert forms(twin) == forms(network)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(2)
    plain = use_exact_rewrites(copy.deepcopy(twin), False)
    torch.testing.assert_close(twin(images()), plain(images()), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(twin(images()), network(images()))


@pytest.mark.parametrize("kind", [layers.RegularConvolution, layers.FlippedConvolution])
def test_other_paddings_are_not_ignored(kind):
    convolution, features = kind(2, 3), torch.rand(1, 2, 5, 6)
    convolution.padding_mode = "circular"
    expected = F.conv2d(F.pad(features, (1, 1, 1, 1), mode="circular"), convolution.kernel_weight())
    torch.testing.assert_close(convolution(features), expected)


class Doubled(layers.DepthwiseConvolution):
    def _conv_forward(self, features, weight, bias):
        return 2 * super()._conv_forward(features, weight, bias)


def test_a_subclass_with_another_conv_forward_is_not_ignored():
    convolution, features = Doubled(4, dilation=2), torch.rand(1, 4, 9, 8)
    expected = 2 * F.conv2d(features, convolution.weight, padding=2, dilation=2, groups=4)
    torch.testing.assert_close(convolution(features), expected)


EXPORTED = {
    **{name: [*SMALL, f"upsampler={name}"] for name in ("nearest", "bilinear", "bed_of_nails", "transposed_conv")},
    "max_unpool": [*SMALL, "upsampler=max_unpool", "skip=none"],
    "pixel_shuffle": [*SMALL, "upsampler=pixel_shuffle"],
    "head first": NETWORKS["head first"],
    "atrous": [*SMALL, "upsampler=nearest", "convolution=atrous_separable"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
def test_export_leaves_height_and_width_open(name):
    network = segnet.build_network(EXPORTED[name]).eval()
    sides = {2: torch.export.Dim("height", min=9, max=512), 3: torch.export.Dim("width", min=9, max=512)}
    program = torch.export.export(network, (torch.rand(1, 3, 24, 32),), dynamic_shapes={"images": sides}, strict=False)
    for size in [(24, 32), (33, 46), (17, 21)]:
        image = torch.rand(1, 3, *size)
        torch.testing.assert_close(program.module()(image), network(image), rtol=0, atol=1e-5)
