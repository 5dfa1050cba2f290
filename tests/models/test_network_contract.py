"""Every network that the shipped configs can be put together to keeps the contract."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segnet.build import build_network
from segnet.errors import UserError
from tests.models.combinations import (
    BACKBONES,
    COMBINATIONS,
    LARGE,
    LARGE_PRESETS,
    PARTS,
    PLAIN,
    PRESETS,
    SMALL,
    choices,
    is_refused,
    name_of,
    overrides_of,
    pairs_of,
    small_preset,
)

CLASSES = 4  # of data=shapes
OVERRIDES_OF_ARMS = ["data=shapes", "encoder=plain", *PLAIN, "context=aspp"]
SHAPES = [(1, 1, 1), (2, 1, 7), (1, 2, 3), (2, 16, 24), (1, 21, 13)]  # (N, H, W)


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


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_meets_the_contract(preset):
    network = build_network(small_preset(preset))
    check_formats_agree(network)
    check_contract(network)


MARKED_PRESETS = [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE_PRESETS)) for name in PRESETS]
NETWORKS_OF_EACH_OPERATOR = [
    *(pytest.param(small_preset(*name.values), id=name.values[0], marks=name.marks) for name in MARKED_PRESETS),
    *(pytest.param([*OVERRIDES_OF_ARMS, f"upsampler={name}"], id=name) for name in choices("upsampler")),
]


@pytest.mark.parametrize("overrides", NETWORKS_OF_EACH_OPERATOR)
def test_networks_can_be_converted_to_other_float_types(overrides):
    network = build_network(overrides).eval()
    images = torch.rand(1, 3, 21, 13, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected = network(images)
        for dtype in (torch.float64, torch.bfloat16, torch.float16):
            logits = copy.deepcopy(network).to(dtype)(images.to(dtype))
            assert (logits.dtype, logits.shape) == (dtype, expected.shape)
            assert logits.isfinite().all()
            if dtype == torch.float64:  # the short types choose other pool indices where two values round to one
                torch.testing.assert_close(logits.float(), expected, rtol=0, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("preset", MARKED_PRESETS)
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


@pytest.mark.parametrize("encoder", ["plain", pytest.param("mobilenet_v3_small", marks=pytest.mark.slow)])
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
