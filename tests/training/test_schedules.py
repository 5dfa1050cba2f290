import math

import pytest
import torch

from segnet.training import schedules


def rates(factory, steps: int, **settings) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = factory(optimizer, steps, **settings)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_poly_is_its_formula():
    assert rates(schedules.poly, 10, power=0.9) == pytest.approx([0.5 * (1 - step / 10) ** 0.9 for step in range(10)])


def test_cosine_is_its_formula():
    expected = [0.25 * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    assert rates(schedules.cosine, 10) == pytest.approx(expected)


def test_warm_up_rises_to_the_full_rate_then_the_schedule_starts():
    seen = rates(schedules.constant, 8, warmup_steps=3)
    assert seen == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert rates(schedules.poly, 8, power=1.0, warmup_steps=3)[3:] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])


def test_one_cycle_peaks_where_told():
    seen = rates(schedules.one_cycle, 100, warmup_share=0.3)
    assert max(seen) == pytest.approx(0.5, rel=0.01)
    assert seen.index(max(seen)) == pytest.approx(29, abs=1)
    assert seen[0] < 0.05
    assert seen[-1] < 0.001


@pytest.mark.parametrize(("steps", "share"), [(10, 0.1), (4, 0.25), (20, 0.05)])
def test_one_cycle_rises_in_a_single_step_too(steps, share):
    seen = rates(schedules.one_cycle, steps, warmup_share=share)
    assert seen == pytest.approx(rates(schedules.one_cycle, steps, warmup_share=share + 1e-7), abs=1e-5)
    assert seen[0] == pytest.approx(0.5 / 25)
    assert seen[1] == max(seen)
