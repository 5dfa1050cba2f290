"""Exact forms against the plain form, forward and gradients, in float64."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segnet.layers import BedOfNails, Bicubic, Bilinear, Kernel, MaxUnpool, Nearest, Rules
from segnet.layers.rewrites.exact import convolve_map, convolve_nails, convolve_nearest, nearest_stamp
from segnet.layers.rewrites.upsampling import forms_of
from tests.layers.float64_checks import GROUPS, assert_same, draw, draw_kernel, leaves_of

SIZES = list(itertools.product(range(1, 10), repeat=2))
# Up to 5 a side, each way in which a kernel of 5 taps can overlap an edge occurs.
SMALLEST = [size for size in SIZES if max(size) <= 5]
LARGER = [size for size in SIZES if max(size) > 5]


def plain(features: Tensor, upsampler: torch.nn.Module, kernel: Kernel, output_size: tuple[int, int]) -> Tensor:
    padding = kernel.dilation * (kernel.taps // 2)
    enlarged = upsampler(features, output_size)
    return F.conv2d(enlarged, kernel.weight, kernel.bias, 1, padding, kernel.dilation, kernel.groups)


def doubled(height: int, width: int) -> list[tuple[int, int]]:
    return [(2 * height - rows, 2 * width - columns) for rows in (0, 1) for columns in (0, 1)]


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("taps", [1, 3, 5])
@pytest.mark.parametrize(
    ("upsampler", "joined"), [(Nearest, convolve_nearest), (BedOfNails, convolve_nails)], ids=["nearest", "nails"]
)
@pytest.mark.parametrize("sizes", [SMALLEST, pytest.param(LARGER, marks=pytest.mark.slow)], ids=["smallest", "larger"])
def test_upsampling_and_convolution_in_one_at_all_small_sizes(sizes, upsampler, joined, taps, kind):
    for height, width in sizes:
        for index, output_size in enumerate(doubled(height, width)):
            kernel, channels = draw_kernel(kind, taps, bias=(index + height) % 2 == 0)
            features = draw(1, channels, height, width).requires_grad_()
            assert_same(
                lambda f=features, k=kernel, s=output_size: joined(f, k, s),
                lambda f=features, k=kernel, s=output_size: plain(f, upsampler(f.shape[1]), k, s),
                leaves_of(features, kernel),
            )


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("seed", range(4))
def test_random_sizes_in_both_layouts(kind, seed):
    generator = torch.Generator().manual_seed(seed)
    height, width = torch.randint(10, 24, (2,), generator=generator).tolist()
    taps = (3, 5, 7)[seed % 3]
    for output_size, layout in itertools.product(
        doubled(height, width), [torch.contiguous_format, torch.channels_last]
    ):
        kernel, channels = draw_kernel(kind, taps, bias=True)
        features = draw(2, channels, height, width).contiguous(memory_format=layout).requires_grad_()
        for upsampler, joined in ((Nearest, convolve_nearest), (BedOfNails, convolve_nails)):
            result = joined(features, kernel, output_size)
            assert result.is_contiguous(memory_format=layout)
            assert_same(
                lambda f=features, k=kernel, s=output_size, j=joined: j(f, k, s),
                lambda f=features, k=kernel, s=output_size, u=upsampler: plain(f, u(f.shape[1]), k, s),
                leaves_of(features, kernel),
            )


@pytest.mark.parametrize("dilation", [2, 3, 4])
@pytest.mark.parametrize("output_size", doubled(7, 5))
def test_nails_take_any_dilation(dilation, output_size):
    kernel, channels = draw_kernel("dense", 3, dilation)
    features = draw(2, channels, 7, 5).requires_grad_()
    assert_same(
        lambda: convolve_nails(features, kernel, output_size),
        lambda: plain(features, BedOfNails(channels), kernel, output_size),
        leaves_of(features, kernel),
    )


def test_stamp_by_hand():
    """Along one axis [1, 2, 3] flipped is [3, 2, 1], and over two ones [3, 5, 3, 1]."""
    line = torch.tensor([1.0, 2.0, 3.0])
    stamp = torch.tensor([3.0, 5.0, 3.0, 1.0])
    observed = nearest_stamp((line[:, None] * line)[None, None])
    assert torch.equal(observed, (stamp[:, None] * stamp)[None, None])


BEFORE = [
    # upsampler, taps, dilation, bias, size, output sizes at which the convolution may come first
    (Nearest, 1, 1, True, (3, 4), [(6, 8), (5, 7), (3, 4), (4, 6)]),
    (Bilinear, 1, 1, True, (3, 4), [(6, 8), (5, 7), (3, 4), (4, 6)]),
    (Bicubic, 1, 1, True, (3, 4), [(6, 8), (5, 7), (3, 4), (4, 6)]),
    (BedOfNails, 1, 1, False, (3, 4), [(6, 8), (5, 7), (3, 4), (4, 6)]),
    (Nearest, 3, 2, True, (7, 9), [(14, 18)]),
    (Nearest, 5, 4, True, (7, 9), [(14, 18)]),
    (BedOfNails, 3, 2, False, (7, 9), doubled(7, 9)),
    (BedOfNails, 3, 4, False, (3, 9), doubled(3, 9)),
]


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize(("upsampler", "taps", "dilation", "bias", "size", "output_sizes"), BEFORE)
def test_convolution_before_the_upsampler(upsampler, taps, dilation, bias, size, output_sizes, kind):
    kernel, channels = draw_kernel(kind, taps, dilation, bias)
    module = upsampler(channels)
    features = draw(2, channels, *size).requires_grad_()
    for output_size in output_sizes:
        before = forms_of(module, Rules()).before(kernel, size, output_size)
        assert before is not None
        assert before.dilation == max(1, dilation // 2)
        assert_same(
            lambda k=before, s=output_size: module(convolve_map(features, k, Rules()), s),
            lambda s=output_size: plain(features, module, kernel, s),
            leaves_of(features, kernel),
        )


@pytest.mark.parametrize(
    ("upsampler", "taps", "dilation", "bias", "output_size"),
    [
        (BedOfNails, 1, 1, True, (6, 8)),  # the bias would stand on the nails only
        (BedOfNails, 3, 2, True, (6, 8)),
        (BedOfNails, 3, 2, False, (5, 6)),  # a width in between: the nails stand unevenly
        (Nearest, 3, 2, False, (5, 8)),  # the odd border cuts a pixel's copies
        (Nearest, 3, 3, False, (6, 8)),
        (Nearest, 3, 1, False, (6, 8)),
        (Bilinear, 3, 2, False, (6, 8)),
        (MaxUnpool, 1, 1, False, (6, 8)),
    ],
)
def test_what_is_not_the_same_stays_behind_the_upsampler(upsampler, taps, dilation, bias, output_size):
    kernel, channels = draw_kernel("dense", taps, dilation, bias)
    assert forms_of(upsampler(channels), Rules()).before(kernel, (3, 4), output_size) is None


@pytest.mark.parametrize("output_size", [(3, 4), (4, 8), (6, 5)])
@pytest.mark.parametrize("upsampler", [Nearest, BedOfNails])
def test_sizes_that_do_not_double_stay_plain(upsampler, output_size):
    rules = Rules(least_pixels_nearest=0)
    kernel, channels = draw_kernel("dense", 3)
    features = draw(1, channels, 3, 4)
    joined = forms_of(upsampler(channels), rules).joined
    assert joined(features, output_size, kernel, rules) is None
    assert joined(features, (6, 7), kernel, rules) is not None


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("dilation", [2, 3, 6])
@pytest.mark.parametrize("taps", [3, 5])
def test_atrous_convolutions_at_all_small_sizes(taps, dilation, kind):
    """Outer taps see nothing here, and phases have a pixel or less."""
    kernel, channels = draw_kernel(kind, taps, dilation, bias=True)
    for height, width in SIZES:
        features = draw(1, channels, height, width).requires_grad_()
        assert_same(
            lambda f=features: convolve_map(f, kernel, Rules()),
            lambda f=features: F.conv2d(
                f, kernel.weight, kernel.bias, 1, dilation * (taps // 2), dilation, kernel.groups
            ),
            leaves_of(features, kernel),
        )
