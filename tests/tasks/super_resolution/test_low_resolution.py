import pytest
import torch

from segnet.errors import UserError
from segnet.tasks.super_resolution.low_resolution import low_resolution_pair


def cubic(distance: float) -> float:
    """The kernel of Keys 1981 with a = -0.5, which torch takes where it antialiases."""
    d = abs(distance)
    if d < 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0


def naive_downscaling(row: list[float], factor: int) -> list[float]:
    """The kernel stretched by the factor, its weights scaled to sum to one inside the line."""
    small = []
    for place in range(len(row) // factor):
        centre = (place + 0.5) * factor
        weights = [cubic((tap + 0.5 - centre) / factor) for tap in range(len(row))]
        small.append(sum(w * value for w, value in zip(weights, row, strict=True)) / sum(weights))
    return small


@pytest.mark.parametrize("factor", [2, 4])
def test_the_input_is_antialiased_bicubic_in_256_values(factor):
    row = torch.rand(16)
    small, target = low_resolution_pair(row.expand(1, 1, 8, 16), factor)
    expected = [round(255 * min(max(value, 0), 1)) for value in naive_downscaling(row.tolist(), factor)]
    assert (small[0, 0, 0] * 255).tolist() == pytest.approx(expected, abs=1e-3)
    assert torch.equal(target, row.expand(1, 1, 8, 16))


@pytest.mark.parametrize(
    ("factor", "size", "input_size"), [(2, (9, 7), (4, 3)), (4, (11, 8), (2, 2)), (4, (4, 7), (1, 1))]
)
def test_odd_sizes_are_cropped_to_a_multiple(factor, size, input_size):
    images = torch.rand(2, 3, *size)
    small, target = low_resolution_pair(images, factor)
    assert small.shape == (2, 3, *input_size)
    assert torch.equal(target, images[..., : factor * input_size[0], : factor * input_size[1]])


def test_overshoots_stay_in_range():
    edge = torch.zeros(1, 1, 8, 16)
    edge[..., 7:] = 1
    small, _ = low_resolution_pair(edge, 2)
    assert small.min() == 0
    assert small.max() == 1


def test_images_smaller_than_the_factor_are_refused():
    with pytest.raises(UserError, match=r"images of 9x3 pixels leave nothing at task.factor=4: choose larger images"):
        low_resolution_pair(torch.rand(1, 1, 3, 9), 4)
