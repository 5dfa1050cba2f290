"""Every network that the shipped configs can be put together to keeps the contract; the parts are found, not listed."""

import copy
import itertools
import math
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segnet.build import build_network
from segnet.config import config_dir
from segnet.errors import UserError

CLASSES = 4  # of data=shapes
SHAPES = [(1, 1, 1), (2, 1, 7), (1, 2, 3), (2, 16, 24), (1, 21, 13)]  # (N, H, W)
LARGE = {
    "convnext_tiny",
    "efficientnet_b0",
    "mobilenet_v3_large",
    "resnet34",
    "resnet50",
    "resnet101",
    "vgg16_bn",
}
PLAIN = ["encoder.widths=[4,8,12]"]
SMALL = {"plain": PLAIN, "timm": ["encoder.name=mobilenetv3_small_050"]}  # makes a large encoder small
BACKBONES = {"mobilenet_v3_small", "resnet18", "timm"}  # the small ones whose own way down pools no 2x2
DECODERS = {  # the forms of the decoder that the presets have, and what they want of the plain encoder
    "mirror": PLAIN,
    "segnet": [
        *("encoder.widths=[4,4,8,8,12,12]", "encoder.depths=[1,1,1,1,1,0]"),
        *("decoder.depths={16:3,8:3,4:3,2:2,1:1}", "decoder.change_last=true"),
    ],
    "segnet_basic": [*PLAIN, "decoder.kernel_size=7", "decoder.activation={_target_:torch.nn.Identity,_partial_:true}"],
    "unet": [
        *("encoder.widths=[4,4,8,8,12]", "encoder.depths=[1,1,1,1,1]"),
        *("decoder.depths=2", "decoder.widths={8:8,4:8,2:4,1:4}"),
    ],
    "deeplabv3plus": [
        *("encoder.widths=[4,8,8,12]", "encoder.depths=[1,1,1,1]"),
        *("decoder.depths={4:2}", "decoder.widths={4:12}", "decoder.skip_strides=[4]"),
    ],
    "unet_resnet18": [
        *("encoder.widths=[4,4,8,8,12,12]", "encoder.depths=[1,1,1,1,1,0]"),
        *("decoder.depths=2", "decoder.widths={16:8,8:8,4:8,2:4,1:4}", "decoder.project=false"),
    ],
}


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))


def cover_pairs(factors: dict[str, list[str]]) -> list[dict[str, str]]:
    """Choose combinations greedily until each two values of two factors have met."""
    random_state = random.Random(0)
    left = {((a, x), (b, y)) for a, b in itertools.combinations(factors, 2) for x in factors[a] for y in factors[b]}
    combinations = []
    while left:
        (a, x), (b, y) = min(left)
        fixed = {a: x, b: y}
        candidates = [
            {name: fixed.get(name, random_state.choice(values)) for name, values in factors.items()} for _ in range(30)
        ]
        best = max(candidates, key=lambda chosen: len(left & pairs_of(chosen)))
        combinations.append(best)
        left -= pairs_of(best)
    return combinations


def pairs_of(combination: dict[str, str]) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    return set(itertools.combinations(combination.items(), 2))


PARTS = {group: choices(group) for group in ("downsampling", "context", "skip", "upsampler")} | {
    "decoder": list(DECODERS)
}
COMBINATIONS = cover_pairs(PARTS)


def overrides_of(combination: dict[str, str]) -> list[str]:
    groups = [f"{group}={choice}" for group, choice in combination.items() if group != "decoder"]
    small = DECODERS[combination["decoder"]]
    needs_width = combination["skip"] == "add" or combination["upsampler"] == "max_unpool"
    if combination["decoder"] == "unet_resnet18" and needs_width:  # it leaves out what brings the channels to it
        small = [*small, "decoder.project=true"]
    return ["data=shapes", "encoder=plain", *small, *groups]


def is_refused(combination: dict[str, str]) -> bool:
    return combination["upsampler"] == "max_unpool" and combination["downsampling"] != "max_pool"


def name_of(combination: dict[str, str]) -> str:
    return "-".join(combination.values())


def check_contract(network: nn.Module) -> None:
    """Forward and backward at all sizes, in training; the evaluation is run by ``check_formats_agree``."""
    generator = torch.Generator().manual_seed(0)
    for batch, *size in SHAPES:
        images = torch.rand(batch, 3, *size, generator=generator)
        labels = torch.randint(CLASSES, (batch, *size), generator=generator)
        network.train()
        network.zero_grad()
        logits = network(images)
        assert logits.shape == (batch, CLASSES, *size)
        assert logits.isfinite().all()
        F.cross_entropy(logits, labels).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, f"{name} has no gradient"
            # A norm over two values a channel has a slope of up to 300, and a hundred of them in a row overflow.
            deepest = batch * math.prod(math.ceil(side / network.encoder.strides[-1]) for side in size)
            if deepest > 2 or size == [1, 1] or len(network.encoder.channels) < 5:
                assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"


def check_formats_agree(network: nn.Module) -> None:
    """The memory layout changes only the order of sums: 1e-4 of the largest logit in fp32."""
    images = torch.rand(2, 3, 21, 13, generator=torch.Generator().manual_seed(1))
    network.eval()
    with torch.no_grad():
        contiguous = network(images)
        relaid = copy.deepcopy(network).to(memory_format=torch.channels_last)(
            images.to(memory_format=torch.channels_last)
        )
    torch.testing.assert_close(relaid, contiguous, rtol=0, atol=1e-4 * contiguous.abs().max().item())


@pytest.mark.parametrize("combination", [c for c in COMBINATIONS if not is_refused(c)], ids=name_of)
def test_parts_work_together(combination):
    network = build_network(overrides_of(combination))
    check_formats_agree(network)
    check_contract(network)


@pytest.mark.parametrize("combination", [c for c in COMBINATIONS if is_refused(c)], ids=name_of)
def test_what_cannot_work_is_refused(combination):
    with pytest.raises(UserError, match=r"MaxUnpool needs pool indices.*downsampling=max_pool"):
        build_network(overrides_of(combination))


def test_each_pair_of_parts_is_met():
    met = set().union(*(pairs_of(combination) for combination in COMBINATIONS))
    for a, b in itertools.combinations(PARTS, 2):
        assert len({pair for pair in met if (pair[0][0], pair[1][0]) == (a, b)}) == len(PARTS[a]) * len(PARTS[b])
    assert any(is_refused(combination) for combination in COMBINATIONS)


ENCODER_PARTNERS = [f"{group}={choice}" for group in ("upsampler", "context", "skip") for choice in choices(group)]
ENCODERS = [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in choices("encoder")]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoder_meets_the_contract(encoder):
    network = build_network(["data=shapes", f"encoder={encoder}", "upsampler=nearest", *SMALL.get(encoder, [])])
    check_encoder(network.encoder)
    check_formats_agree(network)
    check_contract(network)


@pytest.mark.slow
@pytest.mark.parametrize("part", ENCODER_PARTNERS)
@pytest.mark.parametrize("encoder", [name for name in choices("encoder") if name not in LARGE])
def test_every_encoder_works_with_every_part(encoder, part):
    overrides = ["data=shapes", f"encoder={encoder}", part, *SMALL.get(encoder, [])]
    if part == "upsampler=max_unpool" and encoder in BACKBONES:
        overrides += ["encoder.pool_indices=true", "encoder.full_resolution_width=8"]
    network = build_network(overrides)
    check_formats_agree(network)
    check_contract(network)


@pytest.mark.slow
@pytest.mark.parametrize("upsampler", choices("upsampler"))
@pytest.mark.parametrize("convolution", choices("convolution"))
def test_every_convolution_works_with_every_upsampler(convolution, upsampler):
    network = build_network(["data=shapes", f"convolution={convolution}", f"upsampler={upsampler}", *PLAIN])
    check_formats_agree(network)
    check_contract(network)


def check_encoder(encoder: nn.Module) -> None:
    """What the encoder says of itself is what it returns."""
    assert len(encoder.channels) == len(encoder.strides) == len(encoder.keeps_pool_indices) + 1
    encoder.eval()
    for height, width in [(64, 64), (33, 70), (1, 1), (5, 2)]:
        with torch.no_grad():
            features, pool_indices = encoder(torch.rand(1, 3, height, width))
        assert [tuple(stage.shape[1:]) for stage in features] == [
            (channels, math.ceil(height / stride), math.ceil(width / stride))
            for channels, stride in zip(encoder.channels, encoder.strides, strict=True)
        ]
        assert tuple(indices is not None for indices in pool_indices) == encoder.keeps_pool_indices


PRESETS = sorted(set(choices("model")) - {"encoder_decoder"})
SMALL_PRESETS = {
    "segnet": ["encoder.widths=[4,4,8,8,12,12]"],
    "segnet_basic": ["encoder.widths=[4,4,4,4,4]"],
    "unet": ["encoder.widths=[4,4,8,8,12]", "decoder.widths={8:8,4:8,2:4,1:4}"],
    "realtime": ["encoder.widths=[4,4,8,12]"],
    "fullres": ["encoder.widths=[4]"],
    "deeplabv3plus": ["encoder=mobilenet_v3_small", "context.out_channels=8", "decoder.widths={4:8}"],
}


def small_preset(name: str) -> list[str]:
    return ["data=shapes", f"model={name}", *SMALL_PRESETS.get(name, [])]


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_meets_the_contract(preset):
    network = build_network(small_preset(preset))
    check_formats_agree(network)
    check_contract(network)


@pytest.mark.parametrize("preset", PRESETS)
def test_weights_survive_saving(preset, tmp_path):
    network, other = build_network(small_preset(preset)), build_network([*small_preset(preset), "seed=1"])
    images = torch.rand(2, 3, 21, 13, generator=torch.Generator().manual_seed(2))
    network.train()(images)  # moves the running statistics off their start
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    with torch.no_grad():
        expected = network.eval()(images)
        assert not torch.equal(other.eval()(images), expected)
        other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        assert torch.equal(other(images), expected)


def test_arms_with_one_seed_share_their_start():
    arms = {
        name: dict(build_network([*OVERRIDES_OF_ARMS, f"upsampler={name}"]).named_parameters())
        for name in choices("upsampler")
    }
    plain = arms["nearest"]
    for name, parameters in arms.items():
        shared = plain.keys() & parameters.keys()
        assert shared == plain.keys(), f"{name} lacks {plain.keys() - parameters.keys()}"
        assert all(torch.equal(plain[key], parameters[key]) for key in shared), name
    assert "decoder.stages.0.upsampler.weight" in arms["transposed_conv"].keys() - plain.keys()


@pytest.mark.parametrize("encoder", ["plain", "mobilenet_v3_small"])
def test_seeds_differ_and_repeat(encoder):
    overrides = ["data=shapes", f"encoder={encoder}", *SMALL.get(encoder, [])]
    torch.manual_seed(7)
    first = build_network(overrides).state_dict()
    torch.manual_seed(8)  # no stream hangs on torch's global generator
    again = build_network(overrides).state_dict()
    other = build_network([*overrides, "seed=1"]).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    kernels = [name for name in first if first[name].ndim == 4]
    assert len(kernels) > 5
    assert not any(torch.equal(first[name], other[name]) for name in kernels)


OVERRIDES_OF_ARMS = ["data=shapes", "encoder=plain", *PLAIN, "context=aspp"]


def compile_cases() -> list:
    """Every pair of parts, every small encoder, every convolution and every preset."""
    cases = {
        name_of(combination): overrides_of(combination) for combination in COMBINATIONS if not is_refused(combination)
    }
    for name in sorted(set(choices("encoder")) - LARGE):
        cases[f"encoder-{name}"] = ["data=shapes", f"encoder={name}", *SMALL.get(name, [])]
    for name in choices("convolution"):
        cases[f"convolution-{name}"] = ["data=shapes", f"convolution={name}", *PLAIN]
    for name in PRESETS:
        cases[f"preset-{name}"] = small_preset(name)
    return [pytest.param(overrides, id=name) for name, overrides in cases.items()]


def check_compiled(network: nn.Module, backend: str, tolerance: float) -> None:
    """Captured as one graph, the network gives the same logits and gradients, to a share of the largest."""
    torch.compiler.reset()
    dtype = next(network.parameters()).dtype
    images = torch.rand(2, 3, 33, 40, dtype=dtype, generator=torch.Generator().manual_seed(3))
    copied = copy.deepcopy(network)
    compiled = torch.compile(copied, backend=backend, fullgraph=True)
    expected, observed = network.train()(images), compiled.train()(images)
    torch.testing.assert_close(observed, expected, rtol=0, atol=tolerance * expected.abs().max().item())
    expected.square().mean().backward()
    observed.square().mean().backward()
    largest = max(parameter.grad.abs().max().item() for parameter in network.parameters())
    for (name, eager), parameter in zip(network.named_parameters(), copied.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, eager.grad, rtol=0, atol=tolerance * largest, msg=name)
    expected, observed = network.eval()(images), compiled.eval()(images)
    torch.testing.assert_close(observed, expected, rtol=0, atol=tolerance * expected.abs().max().item())


# Capturing the graph is what a network can get wrong, so every part goes through that; float64 tells a wrong graph
# from another order of sums.
@pytest.mark.slow
@pytest.mark.parametrize("overrides", compile_cases())
def test_captured_graph_agrees(overrides):
    check_compiled(build_network(overrides).double(), "aot_eager", 1e-9)


@pytest.mark.slow
def test_generated_code_agrees():
    network = build_network(small_preset("realtime"))
    check_compiled(network, "inductor", 1e-3)


@pytest.mark.slow
def test_captured_graph_takes_one_value_a_channel():
    """There the running statistics stand in for the batch's."""
    network = build_network(small_preset("realtime"))
    compiled = torch.compile(copy.deepcopy(network), backend="aot_eager", fullgraph=True)
    image = torch.rand(1, 3, 1, 1, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(compiled.train()(image), network.train()(image))
