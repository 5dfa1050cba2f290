"""What every upsampler in configs/upsampler must keep, whoever adds it: a new YAML is picked up as it is."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import nn

import segnet
from segnet.config import compose, config_dir, instantiate
from segnet.models import initialise

NAMES = sorted(path.stem for path in (config_dir() / "upsampler").glob("*.yaml"))
SIZE = (4, 5)
CHANNELS = 8
# One axis at a time from 1x to 2x, and both at once.
OUTPUT_SIZES = [(8, 10), (7, 9), (8, 9), (4, 5), (5, 5), (6, 8), (4, 10), (8, 5)]


@cache
def factory(name: str) -> Callable[[int], nn.Module]:
    return instantiate(compose([f"upsampler={name}"]).upsampler)


def build(name: str, channels: int = CHANNELS, seed: int = 0) -> nn.Module:
    upsampler = factory(name)(channels)
    initialise(upsampler, seed)
    return upsampler


def pool_indices(upsampler: nn.Module, features: torch.Tensor, output_size: tuple[int, int]) -> torch.Tensor | None:
    """The first place of each cell, for those that want some."""
    if not upsampler.needs_pool_indices:
        return None
    return torch.zeros_like(features, dtype=torch.uint8)


def enlarge(upsampler: nn.Module, features: torch.Tensor, output_size: tuple[int, int]) -> torch.Tensor:
    return upsampler(features, output_size, pool_indices(upsampler, features, output_size))


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_upsamplers_of_the_design_are_there():
    assert {"nearest", "bilinear", "bed_of_nails", "max_unpool", "transposed_conv"} <= set(NAMES)
    assert {"bicubic", "pixel_shuffle", "carafe", "dysample"} <= set(NAMES)


@pytest.mark.parametrize("output_size", OUTPUT_SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_any_size_from_1x_to_2x_with_the_channels_kept(name, output_size):
    upsampler = build(name)
    features = draw(2, CHANNELS, *SIZE).requires_grad_()
    output = enlarge(upsampler, features, output_size)
    assert output.shape == (2, CHANNELS, *output_size)
    assert output.dtype == features.dtype
    assert torch.isfinite(output).all()
    output.backward(draw(*output.shape, seed=1))
    # Every feature has a say, and every parameter learns.
    assert (features.grad.abs().sum((2, 3)) > 0).all()
    for parameter_name, parameter in upsampler.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
    if any(True for _ in upsampler.parameters()):
        assert any(parameter.grad.abs().sum() > 0 for parameter in upsampler.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_without_a_size_it_doubles(name):
    upsampler, features = build(name), draw(2, CHANNELS, *SIZE)
    indices = pool_indices(upsampler, features, (8, 10))
    assert torch.equal(upsampler(features, pool_indices=indices), upsampler(features, (8, 10), indices))


@pytest.mark.parametrize("name", NAMES)
def test_at_2x_every_single_feature_gets_a_gradient(name):
    upsampler = build(name)
    features = draw(1, CHANNELS, *SIZE).requires_grad_()
    output = enlarge(upsampler, features, (8, 10))
    output.backward(draw(*output.shape, seed=1))
    assert (features.grad != 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_single_pixels_work(name, size):
    upsampler = build(name)
    for output_size in (size, (2 * size[0], 2 * size[1]), (2 * size[0] - 1, 2 * size[1] - 1)):
        output = enlarge(upsampler, draw(1, CHANNELS, *size), output_size)
        assert output.shape == (1, CHANNELS, *output_size)
        assert torch.isfinite(output).all()


@pytest.mark.parametrize("output_size", [(9, 10), (8, 11), (3, 5), (4, 4), (16, 20)])
@pytest.mark.parametrize("name", NAMES)
def test_other_sizes_are_refused(name, output_size):
    upsampler = build(name)
    with pytest.raises(ValueError, match=r"an upsampler goes from 1x to 2x a step: \(4, 5\) cannot become"):
        enlarge(upsampler, draw(1, CHANNELS, *SIZE), output_size)


@pytest.mark.parametrize("output_size", OUTPUT_SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_the_memory_layout_is_kept_and_changes_no_value(name, output_size):
    upsampler, features = build(name), draw(2, CHANNELS, *SIZE)
    contiguous = enlarge(upsampler, features, output_size)
    assert contiguous.is_contiguous()
    features = features.contiguous(memory_format=torch.channels_last)
    output = enlarge(upsampler.to(memory_format=torch.channels_last), features, output_size)
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(output, contiguous, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_samples_of_a_batch_do_not_touch_each_other(name):
    upsampler, features = build(name), draw(3, CHANNELS, *SIZE)
    together = enlarge(upsampler, features, (8, 10))
    for index in range(3):
        alone = enlarge(upsampler, features[index : index + 1], (8, 10))
        assert torch.allclose(together[index : index + 1], alone, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_state_dict_brings_the_same_function_back(name, tmp_path):
    upsampler, features = build(name), draw(1, CHANNELS, *SIZE)
    torch.save(upsampler.state_dict(), tmp_path / "state.pt")
    other = build(name, seed=1)
    if any(True for _ in upsampler.parameters()):
        different = enlarge(other, features, (8, 10))
        assert not torch.equal(different, enlarge(upsampler, features, (8, 10)))
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(enlarge(other, features, (8, 10)), enlarge(upsampler, features, (8, 10)))


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_autocast_runs(name):
    upsampler, features = build(name), draw(2, CHANNELS, *SIZE)
    expected = enlarge(upsampler, features, (8, 10))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = enlarge(upsampler, features.bfloat16(), (8, 10))
    assert torch.allclose(output.float(), expected, atol=0.05 * expected.abs().max().item())


@pytest.mark.parametrize("name", NAMES)
def test_deterministic_mode_is_accepted(name):
    upsampler, features = build(name), draw(2, CHANNELS, *SIZE).requires_grad_()
    torch.use_deterministic_algorithms(True)
    try:
        for output_size in ((8, 10), (7, 9), (6, 8)):
            enlarge(upsampler, features, output_size).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.isfinite(features.grad).all()


@cache
def nearest_state() -> dict[str, torch.Tensor]:
    return segnet.build_network(["upsampler=nearest"]).state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_a_network_with_it_differs_from_the_others_in_its_own_parameters_only(name):
    network = segnet.build_network([f"upsampler={name}"])
    shared = {key: value for key, value in network.state_dict().items() if ".upsampler." not in key}
    reference = nearest_state()
    assert shared.keys() == reference.keys()
    assert all(torch.equal(shared[key], reference[key]) for key in reference)
    images = torch.rand(2, network.mean.shape[1], 13, 18)
    assert network(images).shape == (2, network.num_classes, 13, 18)
