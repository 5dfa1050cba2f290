"""The activations that configs offer, by their formulas."""

import math

import pytest
import torch

from segnet.config import compose, config_dir, instantiate

FORMULAS = {
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "hard_swish": lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
}


def test_every_activation_has_its_formula_here():
    assert {path.stem for path in (config_dir() / "activation").glob("*.yaml")} == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_activation_equals_its_formula(name):
    factory = instantiate(compose([f"activation={name}"]).activation)
    values = [-5.0, -3.0, -1.5, -0.1, 0.0, 0.2, 1.0, 2.9, 3.0, 7.0]
    output = factory()(torch.tensor(values, dtype=torch.float64))
    assert output.tolist() == pytest.approx([FORMULAS[name](x) for x in values], abs=1e-15)
