import pytest
import torch
from torch.nn import functional as F

import segnet
from segnet.config import compose, config_dir, instantiate
from segnet.errors import UserError
from segnet.models.initialisation import initialise
from segnet.tasks.super_resolution.network import SuperResolutionNetwork
from tests.models.combinations import LARGE_PRESETS

TASK = ["task=super_resolution", "data=shapes"]


def cubic(distance: float) -> float:
    """The kernel of Keys 1981 with a = -0.75, which torch takes."""
    d, a = abs(distance), -0.75
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def naive_bicubic(row: list[float], factor: int) -> list[float]:
    """Enlarge a line, its ends repeated."""
    enlarged = []
    for place in range(len(row) * factor):
        centre = (place + 0.5) / factor - 0.5
        first = int(centre // 1) - 1
        taps = range(first, first + 4)
        enlarged.append(sum(row[min(max(tap, 0), len(row) - 1)] * cubic(centre - tap) for tap in taps))
    return enlarged


@pytest.mark.parametrize("upsampler", sorted(path.stem for path in (config_dir() / "upsampler").glob("*.yaml")))
@pytest.mark.parametrize("factor", [2, 4])
def test_it_starts_as_bicubic_interpolation_at_any_size(upsampler, factor):
    network = segnet.build_network([*TASK, f"task.factor={factor}", f"upsampler={upsampler}"]).eval()
    for size in ((7, 5), (1, 1)):
        images = torch.rand(2, 3, *size)
        with torch.no_grad():
            enlarged = network(images)
        assert enlarged.shape == (2, 3, factor * size[0], factor * size[1])
        assert torch.equal(enlarged, F.interpolate(images, scale_factor=factor, mode="bicubic"))


@pytest.mark.parametrize("factor", [2, 4])
def test_bicubic_is_the_cubic_kernel(factor):
    row = torch.rand(6, dtype=torch.float64)
    network = segnet.build_network([*TASK, f"task.factor={factor}"]).double().eval()
    with torch.no_grad():
        enlarged = network(row.expand(1, 3, 3, 6))
    expected = torch.tensor(naive_bicubic(row.tolist(), factor), dtype=torch.float64)
    torch.testing.assert_close(enlarged[0, 0, factor], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "overrides", [["upsampler=max_unpool", "skip=none"], ["skip=add", "convolution=separable"], ["data=brain"]]
)
def test_every_parameter_learns(overrides):
    network = segnet.build_network([*TASK, *overrides])
    torch.nn.init.normal_(network.body.head.weight)
    images = torch.rand(2, network.body.mean.shape[1], 6, 6)
    network(images).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.body.head.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(path.stem, marks=[pytest.mark.slow] * (path.stem in LARGE_PRESETS))
        for path in sorted((config_dir() / "model").glob("*.yaml"))
    ],
)
def test_every_model_does_both_tasks(model):
    overrides = [f"model={model}", "data=shapes"]
    assert instantiate(compose(overrides).model).num_classes == 4
    body = instantiate(compose([*overrides, "task=super_resolution"]).model)
    assert body.num_classes == 3
    assert SuperResolutionNetwork(body, 2).body.head.weight.shape[0] == 3


def test_initialising_again_leaves_the_head_at_zero_and_the_arms_alike():
    one, two = (segnet.build_network([*TASK, f"upsampler={name}"]) for name in ("nearest", "transposed_conv"))
    shared = dict(one.named_parameters())
    learned = dict(two.named_parameters())
    assert all(torch.equal(shared[name], learned[name]) for name in shared)
    before = one.body.encoder.stages[0][0].convolution.weight.clone()
    initialise(one, 7)
    assert not one.body.head.weight.any()
    assert not torch.equal(before, one.body.encoder.stages[0][0].convolution.weight)


@pytest.mark.parametrize("factor", ["3", "1", "2.5"])
def test_another_factor_is_refused(factor):
    with pytest.raises(UserError, match=rf"task.factor={factor} is not known: choose 2 or 4"):
        segnet.build_network([*TASK, f"task.factor={factor}"])


def test_another_number_of_channels_is_refused():
    with pytest.raises(UserError, match=r"model.num_classes=5 does not fit .* 3 channels: leave model.num_classes out"):
        segnet.build_network([*TASK, "model.num_classes=5"])
