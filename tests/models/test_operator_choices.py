"""Every convolution, fusion, context and activation of the configs in a whole network."""

import pytest
import torch

import segnet
from segnet.config import config_dir
from segnet.errors import UserError
from segnet.layers import AtrousRegularConvolution, FlippedConvolution, LinearFusion, SeparableConvolution

CHOICES = [
    f"{group}={path.stem}"
    for group in ("convolution", "fusion", "context", "activation", "downsampling")
    for path in sorted((config_dir() / group).glob("*.yaml"))
]


def test_the_choices_are_found():
    assert {"convolution=flipped", "convolution=atrous_regular", "fusion=linear", "context=aspp"} <= set(CHOICES)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_builds_runs_and_learns(choice):
    base = ["convolution=atrous_regular"] if choice.startswith("fusion=") else []
    network = segnet.build_network([*base, choice])
    images = torch.rand(1, network.mean.shape[1], 11, 14)
    logits = network(images)
    assert logits.shape == (1, network.num_classes, 11, 14)
    logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def kinds(network: torch.nn.Module, kind: type) -> list[torch.nn.Module]:
    return [module for module in network.modules() if isinstance(module, kind)]


def test_the_convolution_reaches_encoder_decoder_and_strided_downsampling():
    network = segnet.build_network(["convolution=flipped", "downsampling=strided"])
    for part in (network.encoder.stages, network.encoder.downsampling, network.decoder):
        assert kinds(part, FlippedConvolution)


def test_the_dilation_and_the_fusion_are_settings():
    network = segnet.build_network(["convolution=atrous_regular", "fusion=linear", "convolution.dilation=3"])
    wide = [module for module in kinds(network, AtrousRegularConvolution) if module.fusion is not None]
    assert wide
    assert all(isinstance(module.fusion, LinearFusion) and module.atrous.dilation == (3, 3) for module in wide)
    network = segnet.build_network(["convolution=atrous_separable", "convolution.dilation=4"])
    halves = [module.depthwise for module in kinds(network, SeparableConvolution)]
    dilations = {half.dilation for half in halves if isinstance(half, torch.nn.Conv2d)}  # 1x1 ones have none
    assert dilations == {(4, 4)}


def test_the_stages_can_differ_in_convolution():
    regular = "{_target_: segnet.layers.RegularConvolution, _partial_: true}"
    atrous = "{_target_: segnet.layers.RegularConvolution, _partial_: true, dilation: 4}"
    network = segnet.build_network([f"encoder.convolution=[{regular},{regular},{atrous}]"])
    assert [stage[0].convolution.dilation for stage in network.encoder.stages] == [(1, 1), (1, 1), (4, 4)]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["convolution=atrous", "convolution.dilation=0"], r"dilation \(rate\) of 1 or more, not 0"),
        (["upsampler=transposed_conv", "upsampler.kernel_size=7"], "kernel_size=2, 3 or 4, not 7"),
        (["upsampler=dysample", "upsampler.groups=5"], "cannot split 32 channels into 5 groups"),
        (["upsampler=max_unpool", "downsampling=strided"], "choose downsampling=max_pool"),
    ],
)
def test_a_wrong_setting_is_one_sentence(overrides, message):
    with pytest.raises(UserError, match=message):
        segnet.build_network(overrides)
