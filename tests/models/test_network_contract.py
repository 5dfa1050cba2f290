"""Every network that the shipped configs can be put together to keeps the contract; the parts are found, not listed."""

import copy
import itertools
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segnet.build import build_network, config_dir
from segnet.errors import UserError

CLASSES = 4  # of data=shapes
SIZES = [(1, 1), (1, 7), (2, 3), (16, 24), (21, 13)]
PLAIN = ["encoder.widths=[4,6,8]"]
SMALL = {  # overrides that make a large encoder small; what is not named here runs as it is
    "plain": PLAIN,
    "segnet": ["encoder.widths=[4,4,6,6,8,8]"],
    "segnet_basic": ["encoder.widths=[4,4,4,4,4]"],
    "unet": ["encoder.widths=[4,4,6,6,8]"],
    "realtime": ["encoder.widths=[4,4,6,8]"],
    "fullres": ["encoder.widths=[4]"],
}
MIRRORED = {  # what a decoder of fixed depths or widths wants of the plain encoder
    "segnet": ["encoder.widths=[4,4,6,6,8,8]", "encoder.depths=[1,1,1,1,1,0]"],
    "unet": ["encoder.widths=[4,4,6,6,8]", "encoder.depths=[1,1,1,1,1]", "decoder.widths={8:6,4:6,2:4,1:4}"],
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


PARTS = ["convolution", "downsampling", "context", "skip", "upsampler", "decoder"]
COMBINATIONS = cover_pairs({group: choices(group) for group in PARTS})


def overrides_of(combination: dict[str, str]) -> list[str]:
    small = MIRRORED.get(combination["decoder"], PLAIN)
    return ["data=shapes", "encoder=plain", *small, *(f"{group}={choice}" for group, choice in combination.items())]


def is_refused(combination: dict[str, str]) -> bool:
    return combination["upsampler"] == "max_unpool" and combination["downsampling"] != "max_pool"


def name_of(combination: dict[str, str]) -> str:
    return "-".join(combination.values())


def check_contract(network: nn.Module, sizes: list[tuple[int, int]]) -> None:
    """Forward and backward at all sizes, in training and in evaluation."""
    generator = torch.Generator().manual_seed(0)
    for batch, size in itertools.product((1, 2), sizes):
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
            assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"
        network.eval()
        with torch.no_grad():
            logits = network(images)
        assert logits.shape == (batch, CLASSES, *size)
        assert logits.isfinite().all()


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
    check_contract(network, SIZES)


@pytest.mark.parametrize("combination", [c for c in COMBINATIONS if is_refused(c)], ids=name_of)
def test_what_cannot_work_is_refused(combination):
    with pytest.raises(UserError, match=r"MaxUnpool needs pool indices.*downsampling=max_pool"):
        build_network(overrides_of(combination))


def test_each_pair_of_parts_is_met():
    met = set().union(*(pairs_of(combination) for combination in COMBINATIONS))
    for a, b in itertools.combinations(PARTS, 2):
        assert len({pair for pair in met if (pair[0][0], pair[1][0]) == (a, b)}) == len(choices(a)) * len(choices(b))
    assert any(is_refused(combination) for combination in COMBINATIONS)
