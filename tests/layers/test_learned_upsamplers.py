"""Pixel shuffle, CARAFE and DySample against their papers' formulas; gradients against finite differences."""

import numpy as np
import pytest
import torch
from torch import nn

from segnet.errors import UserError
from segnet.layers import Bilinear, Carafe, DySample, Nearest, PixelShuffle, RegularConvolution
from segnet.models import initialise
from tests.layers import naive_learned_upsamplers as naive

RNG = np.random.default_rng(0)
BUILDS = {
    "pixel_shuffle": lambda: PixelShuffle(4, kernel_size=3, bias=True),
    "pixel_shuffle 1x1": lambda: PixelShuffle(4, kernel_size=1),
    "carafe": lambda: Carafe(4, compressed_channels=3),
    "carafe 3": lambda: Carafe(4, compressed_channels=2, encoder_kernel=1, kernel_size=3),
    "dysample": lambda: DySample(4, groups=2),
    "dysample 1": lambda: DySample(4, groups=1),
}


def build(name: str) -> nn.Module:
    """Build it in float64 with parameters large enough to matter."""
    module, generator = BUILDS[name]().double(), torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return module


def doubled(module: nn.Module, x: np.ndarray) -> np.ndarray:
    """Evaluate the paper's formula with the module's parameters."""
    parameters = [parameter.detach().numpy() for parameter in module.parameters()]
    if isinstance(module, PixelShuffle):
        return naive.shuffle(naive.convolve(x, *parameters))
    if isinstance(module, Carafe):
        return naive.carafe(x, parameters[:2], parameters[2:], module.kernel_size)
    return naive.dysample(x, *parameters, module.groups)


def cut(full: np.ndarray, output_size: tuple[int, int]) -> np.ndarray:
    rows, columns = ([i * n // m for i in range(m)] for n, m in zip(full.shape[2:], output_size, strict=True))
    return full[:, :, rows][..., columns]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize(
    ("size", "output_size"),
    [((3, 4), (6, 8)), ((3, 4), (5, 7)), ((3, 4), (4, 8)), ((3, 4), (3, 4)), ((1, 1), (2, 2)), ((1, 1), (1, 1))],
)
@pytest.mark.parametrize("name", BUILDS)
def test_the_learned_operators_equal_their_papers(name, size, output_size, layout):
    module = build(name)
    x = RNG.normal(size=(2, 4, *size))
    features = torch.from_numpy(x).contiguous(memory_format=layout)
    output = module(features, output_size)
    assert np.allclose(output.detach().numpy(), cut(doubled(module, x), output_size), rtol=0, atol=1e-12)
    if output_size == (5, 7):  # an odd size is the even one, cropped
        assert torch.equal(output, module(features, (6, 8))[..., :5, :7])


@pytest.mark.parametrize("output_size", [(4, 6), (3, 5), (3, 6)])
@pytest.mark.parametrize("name", BUILDS)
def test_gradients_equal_finite_differences(name, output_size):
    module = build(name)
    features = torch.from_numpy(RNG.normal(size=(1, 4, 2, 3))).requires_grad_()
    names, values = zip(*module.named_parameters(), strict=True)

    def run(features: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (features, output_size))

    assert torch.autograd.gradcheck(run, (features, *values), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", BUILDS)
def test_lower_precisions_stay_close(name, dtype):
    module = build(name).to(dtype)
    features = torch.from_numpy(RNG.normal(size=(2, 4, 3, 4))).to(dtype)
    output = module(features, (6, 8))
    expected = doubled(module.double(), features.double().numpy())
    assert output.dtype == dtype
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 5e-2}[dtype]
    assert np.abs(output.detach().double().numpy() - expected).max() < tolerance * np.abs(expected).max()


def test_pixel_shuffle_starts_as_a_convolution_and_nearest_neighbour():
    module = PixelShuffle(3)
    initialise(module, seed=0)
    convolution = RegularConvolution(3, 3)
    with torch.no_grad():
        convolution.weight.copy_(module.weight[::4])
    features = torch.randn(2, 3, 5, 6)
    assert torch.allclose(module(features, (10, 12)), Nearest(3)(convolution(features), (10, 12)), atol=1e-6)
    wide = PixelShuffle(64)
    assert wide.weight.std().item() == pytest.approx((64 * 9) ** -0.5, rel=0.05)


def test_carafe_starts_as_a_mean_and_dysample_as_bilinear():
    features = torch.randn(2, 8, 5, 6)
    carafe, dysample = Carafe(8), DySample(8)
    for module in (carafe, dysample):
        initialise(module, seed=0)
    kernels = carafe.predict_kernels(features)
    assert kernels.shape == (2, 25, 4, 5, 6)
    assert (25 * kernels - 1).square().mean().sqrt() < 0.02  # root mean square difference from the mean's kernel
    assert torch.allclose(dysample(features, (10, 12)), Bilinear(8)(features, (10, 12)), atol=2e-2)
    nn.init.zeros_(dysample.offset.weight)
    assert torch.allclose(dysample(features, (10, 12)), Bilinear(8)(features, (10, 12)), atol=1e-6)


def test_a_constant_map_stays_constant():
    """Their kernels sum to one: CARAFE's away from the zeros around the map, DySample's everywhere."""
    features = torch.full((1, 4, 8, 8), 3.0, dtype=torch.float64)
    assert torch.allclose(build("carafe")(features, (16, 16))[..., 4:-4, 4:-4], features.new_tensor(3.0))
    assert torch.allclose(build("dysample")(features, (16, 16)), features.new_tensor(3.0))


def test_dysample_names_places_in_float32_whatever_the_features_are():
    """In bfloat16 the columns 160 and 160.5 are one; a ramp shows it."""
    module = DySample(4).bfloat16()
    nn.init.zeros_(module.offset.weight)
    ramp = torch.linspace(0, 1, 200).bfloat16().expand(1, 4, 2, 200)
    output = module(ramp, (4, 400))
    expected = Bilinear(4)(ramp.double(), (4, 400))
    assert (output.double() - expected).abs().max() <= 2**-8


def test_the_same_seed_gives_the_same_start():
    for name in BUILDS:
        first, second = BUILDS[name](), BUILDS[name]()
        initialise(first, seed=3)
        initialise(second, seed=3)
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
        initialise(second, seed=4)
        assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_what_they_refuse():
    with pytest.raises(UserError, match=r"pixel_shuffle takes an odd upsampler\.kernel_size \(1, 3, .* not 4"):
        PixelShuffle(4, kernel_size=4)
    with pytest.raises(UserError, match=r"carafe takes an odd upsampler\.encoder_kernel .* not 2"):
        Carafe(4, encoder_kernel=2)
    with pytest.raises(UserError, match=r"carafe takes an odd upsampler\.kernel_size .* not 0"):
        Carafe(4, kernel_size=0)
    with pytest.raises(UserError, match=r"dysample cannot split 6 channels into 4 groups: set upsampler\.groups"):
        DySample(6)
