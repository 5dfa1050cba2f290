"""Whole networks with and without exact rewrites: one function, one state dict."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import segnet
from segnet import layers
from segnet.analysis import stage_costs
from segnet.config import compose
from segnet.layers import Rules, use_exact_rewrites
from segnet.models import ConcatenatedSkip, MirrorDecoder, NoSkip, PlainEncoder

SMALL = ["data=shapes", "encoder.widths=[4,6,8]", "encoder.depths=[1,1,1]"]
DEEPLAB = ["model=deeplabv3plus", "encoder=mobilenet_v3_small", "context.out_channels=8", "decoder.widths={4:8}"]
UNET = ["model=unet", "encoder.widths=[4,4,8,8,12]", "decoder.widths={8:8,4:8,2:4,1:4}"]
NETWORKS = {
    "nearest": [*SMALL, "upsampler=nearest"],
    "nearest, separable": [*SMALL, "upsampler=nearest", "convolution=separable"],
    "nearest, atrous regular": [*SMALL, "upsampler=nearest", "convolution=atrous_regular"],
    "bed of nails, no skip": [*SMALL, "upsampler=bed_of_nails", "skip=none"],
    "bilinear": [*SMALL, "upsampler=bilinear"],
    "max-unpool, reduced skip": [*SMALL, "upsampler=max_unpool", "skip=reduced_concat"],
    "unet": ["data=shapes", *UNET, "upsampler=nearest"],
    "segnet": ["data=shapes", "model=segnet", "encoder.widths=[4,4,8,8,12,12]", "upsampler=bed_of_nails"],
    "segnet_basic": ["data=shapes", "model=segnet_basic", "encoder.widths=[4,4,4,4,4]", "upsampler=nearest"],
    "realtime": ["data=shapes", "model=realtime", "encoder.widths=[4,4,8,12]", "upsampler=nearest"],
    "deeplabv3plus": ["data=shapes", *DEEPLAB],
    "deeplabv3plus, nearest": ["data=shapes", *DEEPLAB, "upsampler=nearest"],
    "deeplabv3plus, bed of nails": ["data=shapes", *DEEPLAB, "upsampler=bed_of_nails"],
    "fullres": ["data=shapes", "model=fullres", "encoder.widths=[4]"],
    "super-resolution": [*SMALL, "task=super_resolution", "upsampler=nearest"],
}


ALWAYS = Rules(least_pixels_nearest=0, least_pixels_nearest_depthwise=0)  # every exact form at any size


def build(overrides: list[str]) -> nn.Module:
    return use_exact_rewrites(segnet.build_network(overrides), True, ALWAYS)


def forms_of(network: nn.Module, size: tuple[int, int] = (32, 48)) -> dict[str, tuple[str, ...]]:
    images = torch.rand(1, 3, *size, dtype=next(network.parameters()).dtype)
    return {stage.name: stage.forms for stage in stage_costs(network, images) if stage.forms}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if "deeplabv3plus" in name else name for name in NETWORKS]
)
def test_one_function_and_one_state_dict(name):
    exact = build(NETWORKS[name])
    plain = segnet.build_network([*NETWORKS[name], "model.exact_rewrites=false"])
    states = [network.state_dict() for network in (exact, plain)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not forms_of(plain)
    if name not in ("fullres", "realtime", "super-resolution"):  # no decoder; skips that add; another network's stages
        assert forms_of(exact)
    # Norms over few pixels blow rounding up, so the images are not tiny, and evaluation is compared as well.
    for size in [(33, 46), (32, 48)]:
        images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        for train in (True, False):
            results = []
            for network in (exact, plain):
                network = copy.deepcopy(network).double().train(train)
                output = network(images)
                output.square().mean().backward()
                results.append([output, *(parameter.grad for parameter in network.parameters())])
            for observed, expected in zip(*results, strict=True):
                scale = max(1e-3, expected.abs().max().item())
                torch.testing.assert_close(observed, expected, rtol=0, atol=1e-9 * scale)


def test_the_head_runs_before_the_last_upsamplings():
    forms = forms_of(build(NETWORKS["deeplabv3plus"]), (64, 64))
    assert forms["head"] == ("Bilinear + 1x1 -> 1x1 first",)
    # What brings the channels to the next width goes before the upsampling too.
    assert "Bilinear + 1x1 -> 1x1 first" in forms["decoder 2"] or "Bilinear + 1x1 -> 1x1 first" in forms["decoder 1"]
    # Between nails there is the bias only, so that it is added behind them.
    nails = forms_of(build(NETWORKS["deeplabv3plus, bed of nails"]), (64, 64))
    assert nails["head"] == ("BedOfNails + 1x1 -> 1x1 first",)


def test_the_head_that_somebody_puts_in_gets_a_tensor():
    network = build(NETWORKS["deeplabv3plus"])
    expected = network.eval()(torch.ones(1, 3, 32, 32))
    head = nn.Conv2d(network.head.in_channels, network.head.out_channels, 1)
    head.load_state_dict(network.head.state_dict())
    network.head = head
    torch.testing.assert_close(network(torch.ones(1, 3, 32, 32)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("watched", ["upsampler", "skip", "block", "block.0", "block.0.convolution", "project", ""])
def test_hooks_see_what_the_plain_form_shows_them(watched):
    network = build([*SMALL, "upsampler=nearest"])
    plain = segnet.build_network([*SMALL, "upsampler=nearest", "model.exact_rewrites=false"])
    images, seen = torch.rand(1, 3, 20, 24), []
    for one in (network, plain):
        module = one.decoder.stages[1].get_submodule(watched)
        module.register_forward_hook(lambda module, args, output: seen.append((args[0].shape, output.shape)))
        one.eval()(images)
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "watched", ["decoder", "decoder.stages.2", "decoder.stages.3", "head", "decoder.stages.1.project"]
)
def test_hooks_on_deferred_steps_see_tensors(watched):
    network, seen = build(NETWORKS["deeplabv3plus"]), []

    def hook(module, args, output):
        assert isinstance(args[0], torch.Tensor)
        assert isinstance(output, torch.Tensor)
        seen.append(output.shape)

    network.get_submodule(watched).register_forward_hook(hook)
    network.eval()(torch.rand(1, 3, 32, 32))
    assert len(seen) == 1


def test_a_decoder_by_itself_returns_a_tensor():
    encoder = PlainEncoder(3, (4, 6), [1, 1], layers.RegularConvolution, layers.MaxPool)
    decoder = MirrorDecoder(encoder, 6, layers.Nearest, NoSkip, layers.RegularConvolution, depths=0)
    encoded = encoder(torch.rand(1, 3, 6, 8))
    assert isinstance(decoder(encoded.features[-1], encoded, (6, 8)), torch.Tensor)


class Blur(layers.Nearest):
    """Somebody's own, of another function than its base."""

    def upsample(self, features, output_size, pool_indices):
        return F.avg_pool2d(super().upsample(features, output_size, pool_indices), 3, 1, 1)


class Own(nn.Module):
    """Keeps the contract, and knows nothing of exact forms."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, features, output_size, pool_indices=None):
        return F.interpolate(features, size=output_size, mode="nearest")


class OwnSkip(ConcatenatedSkip):
    def forward(self, upsampled, encoded):
        return torch.cat([upsampled, -encoded], dim=1)


@pytest.mark.parametrize(
    ("upsampler", "skip", "convolution"),
    [
        (Blur, ConcatenatedSkip, layers.RegularConvolution),
        (Own, ConcatenatedSkip, layers.RegularConvolution),
        (layers.Nearest, OwnSkip, layers.RegularConvolution),
        (layers.Nearest, NoSkip, lambda i, o, kernel_size=3, stride=1: nn.Conv2d(i, o, 3, 1, "same", bias=False)),
    ],
)
def test_other_people_s_parts_run_as_they_are(upsampler, skip, convolution):
    encoder = PlainEncoder(3, (4, 6), [1, 1], partial(layers.RegularConvolution), layers.MaxPool)
    decoder = MirrorDecoder(encoder, 6, upsampler, skip, convolution)
    plain = use_exact_rewrites(copy.deepcopy(decoder), False)
    encoded = encoder(torch.rand(2, 3, 12, 16))
    assert torch.equal(decoder(encoded.features[-1], encoded, (12, 16)), plain(encoded.features[-1], encoded, (12, 16)))


def test_autocast_and_channels_last():
    network = build([*SMALL, "upsampler=nearest"]).to(memory_format=torch.channels_last)
    plain = use_exact_rewrites(copy.deepcopy(network), False)
    images = torch.rand(2, 3, 24, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        observed, expected = network(images), plain(images)
    assert observed.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(observed.float(), expected.float(), rtol=0, atol=0.1 * expected.abs().max().item())
    assert network(images).is_contiguous(memory_format=torch.channels_last)


def test_presets_know_the_switch():
    for model in (
        "encoder_decoder",
        "deeplabv3plus",
        "fullres",
        "lmffnet",
        "realtime",
        "segnet",
        "segnet_basic",
        "unet",
    ):
        assert compose([f"model={model}"]).model.exact_rewrites is True
        assert compose([f"model={model}", "model.exact_rewrites=false"]).model.exact_rewrites is False


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nearest", "unet", "deeplabv3plus", "nearest, separable"])
def test_compiled_network_agrees(name):
    network = build(NETWORKS[name])
    images = torch.rand(2, 3, 33, 46, generator=torch.Generator().manual_seed(3))
    compiled = torch.compile(copy.deepcopy(network), backend="aot_eager", fullgraph=True)
    for train in (True, False):
        expected, observed = network.train(train)(images), compiled.train(train)(images)
        torch.testing.assert_close(observed, expected, rtol=0, atol=1e-3 * expected.abs().max().item())
