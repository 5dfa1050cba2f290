"""Every loss and every scheme of class weights that a user can choose is built by its name."""

import pytest
import torch

from segnet.build import data_from_config, task_from_config
from segnet.config import compose, config_dir, instantiate
from segnet.errors import UserError
from segnet.losses import effective_number, given_weights
from tests.conftest import TINY

LOSSES = sorted({path.stem for path in (config_dir() / "loss").glob("*.yaml")} - {"l1", "mse"})
SCHEMES = sorted({path.stem for path in (config_dir() / "class_weights").glob("*.yaml")} - {"given"})


def build(*overrides):
    config = compose([*TINY, *overrides])
    data = data_from_config(config)
    return task_from_config(config).make_loss(instantiate(config.loss), instantiate(config.class_weights), data)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_by_name_learns(name):
    loss = build(f"loss={name}", "class_weights=median_frequency")
    logits = torch.randn(2, 4, 16, 24, requires_grad=True)
    loss(logits, torch.randint(0, 4, (2, 16, 24), dtype=torch.uint8)).backward()
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_by_name_weighs(scheme):
    weights = build(f"class_weights={scheme}").class_weights
    assert weights is None if scheme == "none" else (weights > 0).all() and len(weights) == 4


def test_terms_of_a_sum_are_set_and_left_out_on_the_command_line():
    loss = build("loss=dice_ce", "loss.weights.dice=0.5", "loss.terms.dice.per_image=true")
    assert loss.terms["dice"].per_image
    assert loss.weights == {"cross_entropy": 1.0, "dice": 0.5}
    assert list(build("loss=dice_ce", "loss.terms.dice=null").terms) == ["cross_entropy"]


def test_given_weights():
    loss = build("class_weights=given", "class_weights.weights=[1,0,2.5,1]")
    assert loss.class_weights.tolist() == [1, 0, 2.5, 1]


def test_effective_number_by_hand():
    # Class 0 is in three images, class 1 in one, class 2 in none; with beta 1/2: 1 + 1/2 + 1/4 = 7/4, and 1.
    weights = effective_number(torch.tensor([[5, 1, 0], [5, 0, 0], [5, 0, 0]]), beta=0.5)
    unscaled = torch.tensor([4 / 7, 1.0])
    assert weights.tolist() == pytest.approx([*(unscaled / unscaled.mean()).tolist(), 1.0])
    assert effective_number(torch.zeros(2, 3, dtype=torch.int64)).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("weigh", "message"),
    [
        (lambda: effective_number(torch.ones(1, 2), beta=1.0), r"class_weights.beta=1.0 is not allowed"),
        (
            lambda: given_weights(torch.ones(1, 2), None),
            r"one weight for each of the 2 classes and has none: set class_weights.weights=\[1.0,1.0\]",
        ),
        (lambda: given_weights(torch.ones(1, 2), [1, 2, 3]), r"each of the 2 classes and has 3"),
        (lambda: given_weights(torch.ones(1, 2), [1, -2]), r"class_weights.weights=\[1,-2\] is not allowed"),
        (lambda: given_weights(torch.ones(1, 2), [0, 0]), r"not all of them 0"),
    ],
)
def test_weights_out_of_range_are_refused(weigh, message):
    with pytest.raises(UserError, match=message):
        weigh()
