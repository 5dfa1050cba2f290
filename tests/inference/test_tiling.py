import itertools

import pytest
import torch
from torch import nn

import segnet
from segnet.inference.runner import Runner
from segnet.inference.tiling import Tiles, plan_tiles, run_in_tiles, starts

SMALL = ["data=shapes", "encoder.widths=[4,6,8]", "encoder.depths=[1,1,1]"]


def randomise_norms(network: nn.Module) -> None:
    """Give batch norms statistics that features have, so that padding does not look like any other pixel."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)


def join(bands) -> torch.Tensor:
    """Put bands together, which must follow one another."""
    parts, row = [], 0
    for top, band in bands:
        assert top == row
        row += band.shape[2]
        parts.append(band)
    return torch.cat(parts, dim=2)


@pytest.mark.parametrize("size", [(64, 64), (65, 40), (200, 131), (97, 300)])
@pytest.mark.parametrize("factor", [1, 2])
def test_what_sees_single_pixels_is_the_same_in_tiles(size, factor):
    images = torch.rand(2, 3, *size)
    tiles = Tiles(side=64, margin=5, ramp=7, stride=8, factor=factor)

    def forward(part):
        assert max(part.shape[2:]) <= 64
        return part.repeat_interleave(factor, 2).repeat_interleave(factor, 3)

    assert torch.allclose(join(run_in_tiles(forward, images, tiles)), forward_whole(images, factor), atol=1e-6)


def forward_whole(images: torch.Tensor, factor: int) -> torch.Tensor:
    return images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def test_tiles_start_at_multiples_of_the_stride_and_cover_the_image():
    tiles, fits = plan_tiles(200, reach=40, stride=16)
    assert fits
    assert tiles.side == 192
    found = starts(1000, tiles)
    assert all(start % 16 == 0 for start in found)
    assert found[-1] + tiles.side >= 1000
    assert all(after - before + 2 * tiles.margin < tiles.side for before, after in itertools.pairwise(found))
    assert not plan_tiles(200, reach=100, stride=16)[1]
    assert not plan_tiles(200, reach=None, stride=16)[1]


@pytest.mark.parametrize(
    "overrides",
    [
        ["upsampler=bilinear"],
        ["upsampler=max_unpool", "skip=none"],
        ["upsampler=carafe"],
        ["upsampler=transposed_conv", "convolution=atrous"],
    ],
    ids=" ".join,
)
def test_tiled_and_whole_agree_where_the_field_fits(overrides):
    network = segnet.build_network([*SMALL, *overrides]).eval()
    randomise_norms(network)
    images = torch.randint(0, 256, (1, 3, 304, 408), dtype=torch.uint8)
    whole = Runner(network, 3, "32-true")
    with torch.no_grad():
        expected = join(whole(images))
        tiled = Runner(network, 3, "32-true", memory_gib=200 * 200 * whole.pixel_bytes / 2**30)
        bands = list(tiled(images))
        assert len(bands) > 1
        assert torch.allclose(join(bands), expected, atol=1e-4 * float(expected.abs().max()))


def test_a_field_that_does_not_fit_is_said_and_blended(caplog):
    network = segnet.build_network([*SMALL, "context=aspp"]).eval()
    runner = Runner(network, 3, "32-true")
    runner.memory = int(100 * 100 * runner.pixel_bytes)
    images = torch.randint(0, 256, (1, 3, 301, 299), dtype=torch.uint8)
    with torch.no_grad():
        output = join(runner(images))
    assert output.shape[2:] == (301, 299)
    assert torch.isfinite(output).all()
    assert "too small for the network's receptive field" in caplog.text


class LeftHalf(nn.Module):
    """Says for each pixel how far to the right it is: no mirror image gives the same."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.weight * torch.arange(images.shape[3]).expand(images.shape[0], 2, *images.shape[2:]).float()


def test_flips_average_over_mirror_images():
    images = torch.zeros(1, 3, 2, 5)
    for flips, expected in (("none", [0, 1, 2, 3, 4]), ("horizontal", [2] * 5), ("both", [2] * 5)):
        with torch.no_grad():
            ((_, output),) = Runner(LeftHalf(), 3, "32-true", flips=flips)(images)
        assert output[0, 0, 0].tolist() == expected
