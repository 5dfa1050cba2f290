import math

import pytest
import torch
from torch import nn

import segnet
from segnet.analysis import checkerboard, nyquist_energy, overlap_count, overlap_unevenness, phase_spread
from segnet.layers import BedOfNails, Bilinear, MaxUnpool, Nearest, TransposedConvolution

ROWS, COLUMNS = torch.meshgrid(torch.arange(8), torch.arange(6), indexing="ij")


def as_maps(values: torch.Tensor) -> torch.Tensor:
    return values.float()[None, None]


PATTERNS = {
    # name: map, then shares of rows, columns and corner, and the spread of the phases
    "constant": (as_maps(torch.full((8, 6), 0.1)), (0, 0, 0), 0),
    "checkerboard": (as_maps((ROWS + COLUMNS) % 2), (0, 0, 1), 2),
    "rows": (as_maps(5 + 3 * (ROWS % 2)), (1, 0, 0), 2),
    "columns": (as_maps(COLUMNS % 2), (0, 1, 0), 2),
    "nails": (as_maps((ROWS % 2 == 0) & (COLUMNS % 2 == 0)), (1 / 3, 1 / 3, 1 / 3), 4 / math.sqrt(3)),
    "period 4": (as_maps(ROWS % 4 < 2), (0, 0, 0), 0),
    # Alternating rows whose amplitude changes from column to column: still at the rows' highest frequency.
    "uneven rows": (as_maps((1 - 2 * (ROWS % 2)) * torch.tensor([0, 0, 3, 3, 0, 0])), (1, 0, 0), math.sqrt(4 / 3)),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_measures_by_hand(pattern: str) -> None:
    maps, shares, spread = PATTERNS[pattern]
    assert nyquist_energy(maps) == pytest.approx(shares, abs=1e-6)
    assert nyquist_energy(maps).total == pytest.approx(sum(shares), abs=1e-6)
    assert phase_spread(maps) == pytest.approx(spread, abs=1e-6)


def test_energy_against_a_plain_fourier_sum() -> None:
    maps = torch.randn(1, 1, 6, 4, generator=torch.Generator().manual_seed(0))
    values = maps[0, 0].double() - maps[0, 0].double().mean()

    def power(u: int, v: int) -> float:
        total = 0j
        for y in range(6):
            for x in range(4):
                angle = -2 * math.pi * (u * y / 6 + v * x / 4)
                total += values[y, x].item() * complex(math.cos(angle), math.sin(angle))
        return abs(total) ** 2

    everything = sum(power(u, v) for u in range(6) for v in range(4))
    shares = nyquist_energy(maps)
    assert shares.corner == pytest.approx(power(3, 2) / everything)
    assert shares.rows == pytest.approx(sum(power(3, v) for v in (0, 1, 3)) / everything)
    assert shares.columns == pytest.approx(sum(power(u, 2) for u in (0, 1, 2, 4, 5)) / everything)


def test_maps_count_alike_and_odd_rests_are_left_out() -> None:
    flat, board = PATTERNS["constant"][0], PATTERNS["checkerboard"][0]
    both = torch.cat([flat, 100 * board], dim=1)
    assert nyquist_energy(both).total == pytest.approx(0.5)
    assert phase_spread(both) == pytest.approx(1)
    assert nyquist_energy(nn.functional.pad(board, (0, 1, 0, 1), value=9)).corner == pytest.approx(1)


def test_spread_of_another_stride() -> None:
    thirds = as_maps((torch.arange(9)[:, None] % 3).expand(9, 6))
    assert phase_spread(thirds, stride=3) == pytest.approx(2 / math.sqrt(2 / 3))
    with pytest.raises(ValueError, match=r"maps of \(2, 6\) pixels are smaller than the stride of 3"):
        phase_spread(thirds[..., :2, :], stride=3)


def test_overlap_by_hand() -> None:
    def count(kernel: int, padding: int, extra: int) -> list[float]:
        operator = nn.ConvTranspose2d(3, 2, (kernel, 1), (2, 1), (padding, 0), (extra, 0))
        return overlap_count(operator, 3, (4, 1))[:, 0].tolist()

    assert count(2, 0, 0) == [1] * 8
    assert count(3, 1, 1) == [1, 2, 1, 2, 1, 2, 1, 1]
    assert count(4, 1, 0) == [1, 2, 2, 2, 2, 2, 2, 1]
    two_axes = overlap_count(nn.ConvTranspose2d(4, 4, 3, 2, 1, 1, groups=2), 4, (3, 3))
    assert two_axes[:4, :4].tolist() == [[1, 2, 1, 2], [2, 4, 2, 4], [1, 2, 1, 2], [2, 4, 2, 4]]


@pytest.mark.parametrize(
    ("upsampler", "unevenness"),
    [
        (Nearest(3), 0),
        (Bilinear(3), 0),
        (TransposedConvolution(3, kernel_size=2), 0),
        (TransposedConvolution(3, kernel_size=4, bias=True), 0),
        (TransposedConvolution(3, kernel_size=3), 3 / 4),
        (BedOfNails(3), 1),
        (MaxUnpool(3), 1),
    ],
    ids=lambda value: f"{value}",
)
def test_unevenness_of_the_upsamplers(upsampler: nn.Module, unevenness: float) -> None:
    assert overlap_unevenness(upsampler) == pytest.approx(unevenness)


def test_checkerboard_of_networks() -> None:
    images = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    overrides = ["data=shapes", "skip=none", "encoder.widths=[4,8]", "encoder.depths=[1,1]"]
    measures = {}
    for upsampler in ("nearest", "bed_of_nails"):
        network = segnet.build_network([*overrides, f"upsampler={upsampler}"]).train()
        measures[upsampler] = checkerboard(network, images)
        assert network.training
        assert all(parameter.grad is None for parameter in network.parameters())
    assert measures["bed_of_nails"]["logits/nyquist_energy"] > 10 * measures["nearest"]["logits/nyquist_energy"]
    assert measures["bed_of_nails"]["upsampler/overlap_unevenness"] == 1
    assert measures["nearest"]["upsampler/overlap_unevenness"] == 0
    assert all(0 <= value < 4 for value in measures["nearest"].values())


def test_gradient_of_a_strided_convolution() -> None:
    """k3 s2 reaches every other pixel twice along each axis: the gradient of a sum shows it, and k4 s2 does not."""

    def spread(kernel: int) -> float:
        convolution = nn.Conv2d(1, 1, kernel, stride=2, padding=1, bias=False)
        nn.init.ones_(convolution.weight)
        return checkerboard(nn.Sequential(convolution), torch.rand(1, 1, 128, 128))["gradient/phase_spread"]

    assert spread(3) > 2
    assert spread(4) < 0.2
