"""A loss that is not finite is found, on the CPU at once, elsewhere in one look over several steps."""

import math

import pytest
import torch

from segnet.training.loss_watch import BadLoss, LossWatch


def observe(watch, values, device="cpu"):
    return [
        watch.observe(torch.tensor(value, device=device), torch.tensor([step, step + 1]))
        for step, value in enumerate(values)
    ]


def test_the_cpu_is_told_at_once():
    found = observe(LossWatch(interval=50), [1.0, math.inf, 1.0])
    assert found == [None, BadLoss(math.inf, 0, [1, 2]), None]


class Elsewhere:
    """A scalar on a device that works by itself, as far as the watch can see."""

    device = torch.device("cuda")

    def __init__(self, value):
        self.value = value

    def detach(self):
        return torch.tensor(self.value)


@pytest.mark.parametrize("bad", range(4))
def test_elsewhere_one_look_finds_the_step(bad):
    watch = LossWatch(interval=4)
    found = [watch.observe(Elsewhere(math.nan if step >= bad else 1.0), torch.tensor([10 * step])) for step in range(4)]
    assert found[:3] == [None] * 3, "looked too early"
    assert math.isnan(found[3].value)
    assert found[3][1:] == (3 - bad, [10 * bad])


def test_what_is_left_at_the_end_is_looked_at_once():
    watch = LossWatch(interval=4)
    watch.observe(Elsewhere(math.inf), torch.tensor([7]))
    watch.observe(Elsewhere(1.0), torch.tensor([8]))
    assert watch.look() == BadLoss(math.inf, 1, [7])
    assert watch.look() is None
