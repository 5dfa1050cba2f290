"""torch.compile captures every kind of network as one graph, of the same function."""

import copy

import pytest
import torch
from torch import nn

from segnet.build import build_network
from tests.models.combinations import (
    COMBINATIONS,
    LARGE,
    PLAIN,
    PRESETS,
    SMALL,
    choices,
    is_refused,
    name_of,
    overrides_of,
    small_preset,
)


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
