"""The reference lists, for an output pixel, the input pixels that an operator reads, and follows the lists back."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import segnet
from segnet.analysis import receptive_field as module_under_test
from segnet.analysis import receptive_fields
from segnet.layers import Bilinear, Nearest

Reads = Callable[[int], set[int]]


def reads_convolution(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Reads:
    return lambda i: {i * stride - padding + tap * dilation for tap in range(kernel)}


def reads_transposed(kernel: int) -> Reads:
    """Stride 2: input pixel p stamps 2p - before ... 2p - before + kernel - 1."""
    before = (kernel - 1) // 2
    return lambda i: {(i + before - tap) // 2 for tap in range(kernel) if (i + before - tap) % 2 == 0}


def reads_bilinear(i: int) -> set[int]:
    return {(i - 1) // 2, (i - 1) // 2 + 1}


UPSAMPLERS: dict[str, Reads] = {
    "nearest": lambda i: {i // 2},
    "bilinear": reads_bilinear,
    "bed_of_nails": lambda i: set() if i % 2 else {i // 2},
    "max_unpool": lambda i: {i // 2},
    "transposed_conv": reads_transposed(4),
    "transposed_conv upsampler.kernel_size=3": reads_transposed(3),
    "transposed_conv upsampler.kernel_size=2": reads_transposed(2),
}


def longest_field(chain: list[Reads], period: int) -> int:
    """Follow each of ``period`` neighbouring output pixels back to the image."""
    extents = []
    for pixel in range(1000 * period, 1001 * period):
        pixels = {pixel}
        for reads in reversed(chain):
            pixels = set().union(*(reads(i) for i in pixels))
        extents.append(max(pixels) - min(pixels) + 1 if pixels else 0)
    return max(extents)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_stack_of_3x3(count: int) -> None:
    network = nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(count)))
    assert [(field.height, field.width) for field in receptive_fields(network)] == [
        (2 * n + 1, 2 * n + 1) for n in range(1, count + 1)
    ]


def test_unpadded_stack() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, (3, 5)))
    first, _, last = receptive_fields(network)
    assert (first.rows, first.columns) == ((0, 2), (0, 2))
    assert (last.height, last.width, last.rows, last.columns) == (5, 7, (0, 4), (0, 6))


def conv(channels: int = 1, out_channels: int = 1, kernel: int = 3, dilation: int = 1, **settings: int) -> nn.Conv2d:
    padding = dilation * (kernel - 1) // 2
    return nn.Conv2d(channels, out_channels, kernel, padding=padding, dilation=dilation, **settings)


HAND_COMPUTED = {
    "atrous": ([conv(dilation=6)], [13]),
    # Two atrous convolutions whose far taps leave a strip of 128 pixels without touching its ends.
    "far atrous": ([conv(dilation=150), conv(dilation=140)], [301, 581]),
    # 3; 2 more steps of stride 2; the pool's 1 of stride 2; 2 of stride 4.
    "strides": ([conv(stride=2), conv(), nn.MaxPool2d(2), conv()], [3, 7, 9, 17]),
    "overlapping pools": ([nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, 1, ceil_mode=True)], [3, 7]),
    "dilated pool": ([nn.MaxPool2d(2, stride=1, dilation=3)], [4]),
    "atrous behind a pool": ([nn.AvgPool2d(2), conv(dilation=2)], [2, 10]),
    "separable": ([nn.Conv2d(1, 4, 1), conv(4, 4, groups=4), nn.GELU(), nn.Conv2d(4, 2, 1)], [1, 3, 3, 3]),
    "norm and gate": ([conv(1, 4), nn.GroupNorm(2, 4), nn.Sigmoid(), conv(4, 1)], [3, 3, 3, 5]),
    # Output pixels 2j - 1, 2j, 2j + 1 read 4 pixels each, from j - 2, j - 2 and j - 1 on.
    "bicubic": ([nn.Upsample(scale_factor=2, mode="bicubic"), conv()], [4, 5]),
    # Badrinarayanan et al. 2017: the deepest pixel of SegNet-Basic sees a window of 106 x 106.
    "SegNet-Basic": (
        [layer for _ in range(4) for layer in (conv(kernel=7), nn.MaxPool2d(2))],
        [7, 8, 20, 22, 46, 50, 98, 106],
    ),
    "pixel shuffle": ([conv(1, 4), nn.PixelShuffle(2)], [3, 3]),
}


@pytest.mark.parametrize(("network", "sizes"), HAND_COMPUTED.values(), ids=HAND_COMPUTED)
def test_hand_computed(network: list[nn.Module], sizes: list[int]) -> None:
    fields = receptive_fields(nn.Sequential(*network), in_channels=1)
    assert [field.height for field in fields] == sizes
    assert [field.width for field in fields] == sizes


@pytest.mark.parametrize("upsampler", UPSAMPLERS)
def test_encoder_decoder(upsampler: str) -> None:
    """Two poolings and back, no skip connection: pixels of the output see fields that differ by their place."""
    overrides = [
        "data=shapes",
        "skip=none",
        "encoder.widths=[2,3,4]",
        "encoder.depths=[1,1,1]",
        *f"upsampler={upsampler}".split(),
    ]
    fields = {field.stage: field for field in receptive_fields(segnet.build_network(overrides))}
    block, pool, up = reads_convolution(3, padding=1), reads_convolution(2, 2), UPSAMPLERS[upsampler]
    chain = [block, pool, block, pool, block, up, block, up, block]
    ends = {"encoder 0": 1, "encoder 1": 3, "encoder 2": 5, "decoder 0": 7, "decoder 1": 9}
    for stage, end in ends.items():
        assert fields[stage].height == fields[stage].width == longest_field(chain[:end], 4), stage
    assert fields["head"].height == fields["decoder 1"].height


@pytest.mark.parametrize("downsampling", ["max_pool", "strided"])
def test_skip_connection_adds_no_field(downsampling: str) -> None:
    sizes = [
        receptive_fields(segnet.build_network(["data=shapes", f"skip={skip}", f"downsampling={downsampling}"]))[
            -1
        ].height
        for skip in ("none", "concat")
    ]
    assert len(set(sizes)) == 1


def test_centre_offsets() -> None:
    network = segnet.build_network(["data=shapes", "upsampler=nearest", "encoder.depths=[1,1,1]"])
    fields = {field.stage: field for field in receptive_fields(network)}
    # Stage 1: 3x3 at stride 2 (one pooled pixel to each side), the pool, and 3x3 around it.
    assert fields["encoder 1"].rows == (-3, 4)
    assert fields["encoder 2"].columns == (-7, 10)


class Branches(nn.Module):
    """An atrous branch and the mean of the whole map, added."""

    def __init__(self, pool: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.near, self.far, self.pool = nn.Conv2d(2, 2, 3, padding=4, dilation=4), nn.Conv2d(2, 2, 1), pool

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        pooled = self.far(self.pool(features))
        return self.near(features) + F.interpolate(pooled, size=features.shape[-2:])


@pytest.mark.parametrize(
    "pool",
    [
        lambda features: F.adaptive_avg_pool2d(features, 1),
        lambda features: F.adaptive_max_pool2d(features, 1),
        lambda features: features.mean(dim=(2, 3), keepdim=True),
        lambda features: features.mean((-2, -1), True),
    ],
    ids=["average", "max", "mean", "positional mean"],
)
def test_global_pooling_is_told_apart(pool: Callable[[torch.Tensor], torch.Tensor]) -> None:
    before, after = receptive_fields(nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), Branches(pool)))
    assert (before.height, before.whole_image) == (3, False)
    assert (after.height, after.width, after.whole_image) == (11, 11, True)


def test_paths_that_vanish_in_the_real_network_count() -> None:
    """Dead activations, weights of zero and signs that cancel hide nothing."""
    network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(1, 1, 3, padding=1))
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.fill_(-1)
        network[2].weight.copy_(torch.tensor([[1.0, -1, 0], [0, 0, 0], [-1, 1, 0]]))
    assert receptive_fields(network)[-1].height == 5


def test_upsampler_modules_of_odd_factors() -> None:
    class Resized(nn.Module):
        def __init__(self, upsampler: nn.Module) -> None:
            super().__init__()
            self.upsampler = upsampler

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            height, width = features.shape[-2:]
            return self.upsampler(features, (2 * height, width))

    (field,) = receptive_fields(Resized(Bilinear(1)), 1)
    assert (field.height, field.width) == (2, 1)
    (field,) = receptive_fields(Resized(Nearest(1)), 1)
    assert (field.height, field.width) == (1, 1)


def test_a_field_beyond_the_longest_strip_is_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "LONGEST_STRIP", 256)
    _, field = receptive_fields(nn.Sequential(nn.AvgPool2d((16, 1)), nn.Conv2d(1, 1, (31, 3), padding=(15, 1))))
    assert (field.height, field.width) == (None, 3)


def test_the_strip_grows_with_the_field() -> None:
    (field,) = receptive_fields(nn.Sequential(nn.Conv2d(1, 1, 3, padding=150, dilation=150)))
    assert (field.height, field.rows) == (301, (-150, 150))


def test_an_error_of_the_network_comes_through() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        receptive_fields(nn.Sequential(nn.Conv2d(3, 2, 1)), in_channels=2)


def test_network_stays_as_it_was() -> None:
    network = segnet.build_network(["data=shapes", "upsampler=max_unpool"])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    receptive_fields(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
