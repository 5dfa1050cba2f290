"""The fit of how cost grows, on costs that are known."""

import pytest

from scripts.benchmarks import growth


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 2.0])
def test_exponent_of_a_power_law(slope):
    sizes = [128, 200, 512, 2048]
    assert growth.exponent(sizes, [3 * size**slope for size in sizes]) == pytest.approx(slope, abs=1e-12)


def test_exponent_is_that_of_the_least_squares_line():
    # log2 of the costs is 0, 1, 5 at log2 of the sizes 0, 1, 2: the line through them rises by 5 / 2.
    assert growth.exponent([1, 2, 4], [1, 2, 32]) == pytest.approx(2.5)


def test_fitted_row_takes_the_side_s_square_and_names_a_defect():
    costs = [growth.Cost(seconds=side**2, memory_mib=side**3) for side in (128, 256, 512)]
    row = growth.fitted_row("a network", "side", [128, 256, 512], costs)
    assert row["side"] == "exponent against pixels"
    assert row["step, ms"] == "1.00: in proportion or less"
    assert row["memory, MiB"] == "1.50: defect"
    assert growth.fitted_row("a network", "batch", [1, 2, 4], costs)["step, ms"] == "2.00: defect"


def test_a_step_is_measured_for_any_number_of_classes_and_any_depth():
    cost = growth.measure_step(growth.depth_overrides(2, 5), side=8, batch=1, classes=5, device="cpu", repeats=1)
    assert cost.seconds > 0
