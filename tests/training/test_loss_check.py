"""A loss that is not finite is found: on the CPU at once, elsewhere in one check of several steps."""

import math

import pytest
import torch

from segnet.training.loss_check import LossCheck, NonFiniteLoss


def record_all(check, values, device="cpu"):
    return [
        check.record(torch.tensor(value, device=device), torch.tensor([step, step + 1]))
        for step, value in enumerate(values)
    ]


def test_the_cpu_is_told_at_once():
    losses = record_all(LossCheck(interval=50), [1.0, math.inf, 1.0])
    assert losses == [None, NonFiniteLoss(math.inf, 0, [1, 2]), None]


class Elsewhere:
    """A scalar on a device that works by itself, as far as the check can see."""

    device = torch.device("cuda")

    def __init__(self, value):
        self.value = value

    def detach(self):
        return torch.tensor(self.value)


@pytest.mark.parametrize("bad", range(4))
def test_elsewhere_one_check_finds_the_step(bad):
    check = LossCheck(interval=4)
    losses = [check.record(Elsewhere(math.nan if step >= bad else 1.0), torch.tensor([10 * step])) for step in range(4)]
    assert losses[:3] == [None] * 3, "checked too early"
    assert math.isnan(losses[3].value)
    assert losses[3][1:] == (3 - bad, [10 * bad])


def test_what_is_left_at_the_end_is_checked_once():
    check = LossCheck(interval=4)
    check.record(Elsewhere(math.inf), torch.tensor([7]))
    check.record(Elsewhere(1.0), torch.tensor([8]))
    assert check.check() == NonFiniteLoss(math.inf, 1, [7])
    assert check.check() is None
