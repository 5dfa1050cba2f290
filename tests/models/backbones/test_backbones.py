"""What the wrapper makes of any backbone, shown on small ones."""

import copy
import math

import pytest
import torch
from torch import nn

from segnet.errors import UserError
from segnet.layers import flat_pool_indices
from segnet.models.backbones.backbone import BackboneEncoder, adapt_rgb_kernels


class Patchify(nn.Module):
    """Rounds sizes down, as ConvNeXt does: a 4x4 stem of stride 4 and a 2x2 step, without padding."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 4, stride=4)
        self.norm = nn.BatchNorm2d(5)
        self.down = nn.Conv2d(5, 6, 2, stride=2)

    def forward(self, images):
        stem = self.norm(self.stem(images))
        return [stem, self.down(stem)]


class Halving(nn.Module):
    """Rounds sizes up, as ResNets do; strides 2, 4, 4."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4))
        self.second = nn.Conv2d(4, 5, 3, 2, 1)
        self.third = nn.Conv2d(5, 6, 3, 1, 2, dilation=2)

    def forward(self, images):
        first = self.first(images)
        second = self.second(first)
        return [first, second, self.third(second)]


class Fixed(nn.Module):
    """Gives whatever shapes it was told, and has a parameter so that it is a network."""

    def __init__(self, *shapes):
        super().__init__()
        self.shapes = shapes
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return [images.new_zeros(shape) for shape in self.shapes]


class Refusing(nn.Module):
    def forward(self, images):
        raise AssertionError("input height doesn't match model")


def test_channels_strides_and_padding_are_found():
    patchify, halving = BackboneEncoder(Patchify, 3), BackboneEncoder(Halving, 3)
    assert (patchify.channels, patchify.strides, patchify.pads) == ((5, 6), (4, 8), True)
    assert (halving.channels, halving.strides, halving.pads) == ((4, 5, 6), (2, 4, 4), False)
    assert patchify.training
    assert halving.keeps_pool_indices == (False, False)
    # Looking for them changes no statistics.
    assert patchify.backbone.norm.num_batches_tracked == 0
    assert torch.equal(patchify.backbone.norm.running_mean, torch.zeros(5))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 16), (9, 15), (3, 30)])
def test_sizes_round_up_and_the_padding_is_zeros_at_the_end(height, width):
    encoder = BackboneEncoder(Patchify, 3).eval()
    images = torch.rand(2, 3, height, width)
    features, _ = encoder(images)
    padded = torch.zeros(2, 3, 8 * math.ceil(height / 8), 8 * math.ceil(width / 8))
    padded[:, :, :height, :width] = images
    for stage, reference, stride in zip(features, encoder.backbone(padded), (4, 8), strict=True):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        assert stage.shape[-2:] == (rows, columns)
        assert torch.equal(stage, reference[:, :, :rows, :columns])


def test_one_value_a_channel_trains_on_the_running_statistics():
    norm = BackboneEncoder(Patchify, 3).train().backbone.norm
    norm.running_mean.fill_(0.5)
    norm.running_var.fill_(4.0)
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    single = torch.rand(1, 5, 1, 1, requires_grad=True)
    output = norm(single)
    torch.testing.assert_close(output, (single - 0.5) / 2, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(before[name], buffer) for name, buffer in norm.named_buffers())
    assert norm.training
    output.sum().backward()
    torch.testing.assert_close(single.grad, torch.full_like(single, 0.5), rtol=1e-4, atol=0)
    norm(torch.rand(2, 5, 1, 1))  # two values are an ordinary batch again
    assert norm.num_batches_tracked == before["num_batches_tracked"] + 1


def naive_pool_index(stage: torch.Tensor) -> torch.Tensor:
    """Flat position of the first maximum of each 2x2 window, sizes rounding up."""
    batch, channels, height, width = stage.shape
    indices = torch.zeros(batch, channels, -(-height // 2), -(-width // 2), dtype=torch.long)
    for n, c, i, j in torch.cartesian_prod(*(torch.arange(size) for size in indices.shape)).tolist():
        window = [(y, x) for y in (2 * i, 2 * i + 1) for x in (2 * j, 2 * j + 1) if y < height and x < width]
        y, x = max(window, key=lambda place: stage[n, c, place[0], place[1]].item())
        indices[n, c, i, j] = y * width + x
    return indices


def test_pool_indices_are_those_of_each_stage_that_is_halved():
    encoder = BackboneEncoder(Halving, 3, pool_indices=True, full_resolution_width=7).eval()
    assert (encoder.channels, encoder.strides) == ((7, 4, 5, 6), (1, 2, 4, 4))
    assert encoder.keeps_pool_indices == (True, True, False)
    features, pool_indices = encoder(torch.rand(1, 3, 7, 5))
    assert features[0].shape == (1, 7, 7, 5)
    assert pool_indices[2] is None
    for stage, indices in zip(features[:2], pool_indices[:2], strict=True):
        assert torch.equal(flat_pool_indices(indices, stage.shape[-2:]), naive_pool_index(stage))


def test_start_hangs_on_the_seed_alone():
    encoder = BackboneEncoder(Halving, 3, full_resolution_width=7)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    encoder.initialise(torch.Generator().manual_seed(11))
    assert torch.equal(torch.get_rng_state(), state)
    first = copy.deepcopy(encoder.state_dict())
    torch.manual_seed(6)
    encoder.initialise(torch.Generator().manual_seed(11))
    assert all(torch.equal(first[name], value) for name, value in encoder.state_dict().items())
    encoder.initialise(torch.Generator().manual_seed(12))
    kernels = [name for name, value in first.items() if value.ndim == 4]
    assert len(kernels) == 4
    assert not any(torch.equal(first[name], encoder.state_dict()[name]) for name in kernels)


def test_pretrained_weights_stay_and_only_new_parameters_are_drawn():
    encoder = BackboneEncoder(Halving, 3, pretrained=True, full_resolution_width=7)
    before = copy.deepcopy(encoder.state_dict())
    encoder.initialise(torch.Generator().manual_seed(11))
    changed = {name for name, value in encoder.state_dict().items() if not torch.equal(before[name], value)}
    assert changed == {"full_resolution.convolution.weight"}


def test_a_copy_is_the_same_encoder():
    encoder = BackboneEncoder(Patchify, 3, pool_indices=True).eval()
    twin = copy.deepcopy(encoder)
    assert not any(module.training for module in twin.modules())
    images = torch.rand(1, 3, 9, 10)
    for ours, theirs in zip(encoder(images).features, twin(images).features, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (Refusing, "does not take images of any size"),
        (lambda: Fixed((1, 16, 16, 96)), r"\(16, 16, 96\).*choose a convolutional one"),
        (lambda: Fixed((1, 8, 24, 24)), "powers of two"),
        (lambda: Fixed((1, 8, 8, 8), (1, 8, 16, 16)), "rising strides"),
        (lambda: Fixed((1, 1000)), "choose a convolutional one"),
    ],
)
def test_backbones_without_a_pyramid_are_refused(backbone, message):
    with pytest.raises(UserError, match=message):
        BackboneEncoder(backbone, 3)


def test_a_second_stage_at_full_resolution_is_refused():
    with pytest.raises(UserError, match=r"encoder\.full_resolution_width .*leave it null"):
        BackboneEncoder(lambda: Fixed((1, 8, 64, 64), (1, 8, 32, 32)), 3, full_resolution_width=4)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_adapted_kernels_respond_to_grey_as_the_rgb_ones(channels):
    weight = torch.rand(4, 3, 3, 3)
    adapted = adapt_rgb_kernels(weight, channels)
    assert adapted.shape == (4, channels, 3, 3)
    if channels % 3 == 0 or channels == 1:
        torch.testing.assert_close(adapted.sum(1), weight.sum(1))
    if channels == 4:
        torch.testing.assert_close(adapted, weight[:, [0, 1, 2, 0]] * 0.75)
