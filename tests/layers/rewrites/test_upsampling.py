"""Upsampler, skip connection and convolution in one: the plain form's function, and the plain form where it must be."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet import layers
from segnet.layers.pooling.pool import max_pool
from segnet.layers.rewrites.kernel import Kernel
from segnet.layers.rewrites.rules import Rules, UpsamplerForms
from segnet.layers.rewrites.upsampling import FORMS, chains_of, convolve_parts, fuse, stack
from segnet.models import initialise

SIDES = range(1, 10)
CONVOLUTIONS = {
    "1x1": lambda channels: layers.RegularConvolution(channels, 3, kernel_size=1),
    "3x3": lambda channels: layers.RegularConvolution(channels, 3),
    "5x5": lambda channels: layers.RegularConvolution(channels, 3, kernel_size=5),
    "atrous": lambda channels: layers.RegularConvolution(channels, 3, dilation=2),
    "flipped": lambda channels: layers.FlippedConvolution(channels, 3),
    "separable 1x1": lambda channels: layers.SeparableConvolution(channels, 3, kernel_size=1),
    "separable": lambda channels: layers.SeparableConvolution(channels, 3),
    "atrous separable": lambda channels: layers.SeparableConvolution(channels, 3, dilation=2),
    "atrous regular": lambda channels: layers.AtrousRegularConvolution(channels, 4, fusion=layers.LinearFusion),
    "valid": lambda channels: layers.RegularConvolution(channels, 3, padding="valid"),
    "strided": lambda channels: layers.SeparableConvolution(channels, 3, stride=2),
}
UPSAMPLERS = [layers.Nearest, layers.BedOfNails, layers.Bilinear, layers.Bicubic, layers.MaxUnpool, layers.PixelShuffle]
CHANNELS = 2


def always(listener=None) -> Rules:
    """Rules that use every exact form at any size."""
    return Rules(least_pixels_nearest=0, least_pixels_nearest_depthwise=0, listener=listener)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def built(module: nn.Module) -> nn.Module:
    initialise(module, 0)
    return module.double()


def assert_same_function(
    upsampler: nn.Module, convolution: nn.Module, size: tuple[int, int], output_size: tuple[int, int], stacks: bool
) -> list[str]:
    """Results and gradients of input, skip and parameters agree to 1e-12; return the forms that ran."""
    features, skip = draw(1, CHANNELS, *size), draw(1, CHANNELS, *output_size, seed=1)
    indices = None
    if upsampler.needs_pool_indices:
        _, codes = max_pool(draw(1, CHANNELS, *output_size, seed=3).detach())
        indices = codes if codes.shape == features.shape else torch.zeros(features.shape, dtype=torch.uint8)
    enlarged = upsampler(features, output_size, indices)
    plain = convolution(torch.cat([enlarged, skip], dim=1) if stacks else enlarged)
    forms: list[str] = []
    fused = fuse(upsampler, convolution, always(forms.append), stacks)
    if fused is None:
        return forms
    exact = fused(features, output_size, skip if stacks else None, indices)
    leaves = [features, *([skip] if stacks else []), *upsampler.parameters(), *convolution.parameters()]
    direction = draw(*plain.shape, seed=2).detach()
    gradients = (torch.autograd.grad(result, leaves, direction) for result in (exact, plain))
    for value, reference in [(exact, plain), *zip(*gradients, strict=True)]:
        scale = max(1.0, reference.abs().max().item())
        torch.testing.assert_close(value, reference, rtol=0, atol=1e-12 * scale)
    return forms


@pytest.mark.parametrize("stacks", [False, True], ids=["", "stacked"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("upsampler", UPSAMPLERS, ids=lambda kind: kind.__name__)
def test_every_convolution_behind_every_upsampler(upsampler, name, stacks):
    convolution = built(CONVOLUTIONS[name](2 * CHANNELS if stacks else CHANNELS))
    enlarge = built(upsampler(CHANNELS))
    for output_size in [(8, 12), (7, 12), (8, 11), (7, 11), (6, 9), (4, 6)]:
        if name == "valid" and min(output_size) < 3:
            continue
        assert_same_function(enlarge, convolution, (4, 6), output_size, stacks)


@pytest.mark.parametrize("upsampler", [layers.Nearest, layers.BedOfNails], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", ["3x3", "separable", "atrous", "flipped"])
def test_concatenated_skips_at_all_small_sizes(upsampler, name):
    convolution, enlarge = built(CONVOLUTIONS[name](2 * CHANNELS)), upsampler(CHANNELS)
    ends = itertools.cycle(itertools.product((0, 1), (0, 1)))  # 81 sizes, 4 ends: every end meets every side
    for (height, width), (rows, columns) in zip(itertools.product(SIDES, SIDES), ends, strict=False):
        assert_same_function(
            enlarge, convolution, (height, width), (2 * height - rows, 2 * width - columns), stacks=True
        )


EXPECTED_FORMS = [
    ("3x3", layers.Nearest, ["Nearest + 3x3 -> transposed 4x4"]),
    ("5x5", layers.Nearest, ["Nearest + 5x5 -> transposed 6x6"]),
    ("3x3", layers.BedOfNails, ["BedOfNails + 3x3 -> transposed 3x3"]),
    ("1x1", layers.Bilinear, ["Bilinear + 1x1 -> 1x1 first"]),
    ("flipped", layers.Nearest, ["Nearest + 3x3 -> transposed 4x4"]),
    ("separable", layers.Nearest, ["Nearest + depthwise 3x3 -> transposed 4x4"]),
    # Both halves run at the low resolution.
    (
        "atrous separable",
        layers.Nearest,
        ["Nearest + depthwise 3x3, dilation 2 -> depthwise 3x3 first", "Nearest + 1x1 -> 1x1 first"],
    ),
    ("separable 1x1", layers.Nearest, ["Nearest + 1x1 -> 1x1 first"]),
    ("atrous regular", layers.Nearest, ["Nearest + 3x3 -> transposed 4x4", "Nearest + 3x3, dilation 2 -> 3x3 first"]),
    ("3x3", layers.Bilinear, []),
    ("3x3", layers.MaxUnpool, []),
    ("valid", layers.Nearest, []),
    ("strided", layers.Nearest, []),
]


@pytest.mark.parametrize(("name", "upsampler", "forms"), EXPECTED_FORMS)
def test_the_form_that_runs(name, upsampler, forms):
    convolution = built(CONVOLUTIONS[name](CHANNELS))
    assert assert_same_function(upsampler(CHANNELS), convolution, (5, 6), (10, 12), stacks=False) == forms


def test_a_stack_is_split():
    convolution = built(CONVOLUTIONS["3x3"](2 * CHANNELS))
    forms = assert_same_function(layers.Nearest(CHANNELS), convolution, (5, 6), (10, 12), stacks=True)
    assert forms == ["concatenation + 3x3 -> 2 slices", "Nearest + 3x3 -> transposed 4x4"]


def test_groups_across_the_border_of_a_stack_fall_back():
    enlarged, skip = F.interpolate(draw(1, 2, 4, 4), scale_factor=2), draw(1, 4, 8, 8, seed=1)
    weight = draw(4, 3, 3, 3)
    result = stack(convolve_parts([enlarged, skip], Kernel(weight, groups=2), always()))
    assert torch.equal(result, F.conv2d(torch.cat([enlarged, skip], 1), weight, padding=1, groups=2))
    # Groups that do not lie across it are split.
    weight = draw(6, 2, 3, 3)
    parts = convolve_parts([enlarged, skip], Kernel(weight, groups=3), always())
    assert [part.shape[1] for part in parts] == [2, 4]
    expected = F.conv2d(torch.cat([enlarged, skip], 1), weight, padding=1, groups=3)
    torch.testing.assert_close(stack(parts), expected, rtol=0, atol=1e-12)


class Doubling(layers.RegularConvolution):
    """Somebody's own, of another function."""

    def forward(self, features: Tensor) -> Tensor:
        return 2 * super().forward(features)


class Wrapped(nn.Conv2d):
    def _conv_forward(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return 2 * super()._conv_forward(features, weight, bias)


def separable_with(pointwise: nn.Module) -> nn.Module:
    separable = layers.SeparableConvolution(2, 3)
    separable.pointwise = pointwise
    return separable


def test_what_is_not_known_to_be_the_same_is_not_rewritten():
    assert chains_of(nn.Conv2d(2, 3, 3, padding=1)) is not None
    reflecting = layers.RegularConvolution(2, 3)
    reflecting.padding_mode = "reflect"
    for module in (
        Doubling(2, 3),
        Wrapped(2, 3, 3, padding=1),
        reflecting,
        separable_with(Wrapped(2, 3, 1, bias=False)),
        layers.AtrousRegularConvolution(2, 4, convolution=Doubling),
        layers.AtrousRegularConvolution(2, 4, convolution=layers.AtrousRegularConvolution),
        nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(2, 3, 3, padding=1, stride=2),
        nn.Conv2d(2, 3, 3),
        nn.Conv2d(2, 3, (1, 3), padding=(0, 1)),
        nn.Conv2d(2, 3, 4, padding="same"),
        nn.ConvTranspose2d(2, 3, 3),
    ):
        assert chains_of(module) is None, module
        assert fuse(layers.Nearest(2), module, always(), is_stacked=True) is None


def test_where_nothing_is_cheaper_nothing_is_put_in():
    convolution = layers.RegularConvolution(CHANNELS, 3)
    assert fuse(layers.Bilinear(CHANNELS), convolution, always(), is_stacked=False) is None
    assert fuse(layers.MaxUnpool(CHANNELS), convolution, always(), is_stacked=False) is None
    fused = fuse(layers.Bilinear(CHANNELS), layers.RegularConvolution(4, 3), always(), is_stacked=True)
    assert repr(fused) == "UpsampledConvolution(Bilinear, skip and RegularConvolution in one)"
    assert not fused.state_dict()


class Tripled(layers.Nearest):
    def upsample(self, features, output_size, pool_indices):
        return 3 * super().upsample(features, output_size, pool_indices)


def test_a_subclass_is_not_its_base_but_may_be_given_forms_of_its_own():
    convolution = built(layers.RegularConvolution(CHANNELS, 3, kernel_size=1))
    assert fuse(Tripled(CHANNELS), convolution, always(), is_stacked=False) is None
    forms = UpsamplerForms(lambda kernel, size, output_size: kernel if kernel.bias is None else None)
    fused = fuse(Tripled(CHANNELS), convolution, Rules(forms={Tripled: forms}), is_stacked=False)
    features = draw(1, CHANNELS, 4, 5)
    expected = convolution(Tripled(CHANNELS)(features, (8, 10)))
    torch.testing.assert_close(fused(features, (8, 10)), expected, rtol=0, atol=1e-12)


def test_the_enlarged_map_is_made_once():
    class Counting(layers.Bilinear):
        calls = 0

        def upsample(self, *args):
            self.calls += 1
            return super().upsample(*args)

    upsampler = Counting(CHANNELS)
    convolution = built(CONVOLUTIONS["atrous regular"](2 * CHANNELS))
    fused = fuse(upsampler, convolution, Rules(forms={Counting: FORMS[layers.Bilinear]}), is_stacked=True)
    fused(draw(1, CHANNELS, 5, 6), (10, 12), draw(1, CHANNELS, 10, 12))
    assert upsampler.calls == 1
