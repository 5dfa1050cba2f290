import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import segnet
from segnet.analysis import activation_memory, count_macs, count_parameters, stage_costs
from segnet.layers import BedOfNails, RegularConvolution, SeparableConvolution, TransposedConvolution
from segnet.models import EncoderOutput


def taps_of_convolution(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Count along one axis, pixel by pixel and tap by tap, what a convolution multiplies, zeros of the padding too."""
    multiplications, first = 0, -padding
    while first + dilation * (kernel - 1) <= size + padding - 1:
        multiplications += sum(1 for _ in range(kernel))
        first += stride
    return multiplications


CONVOLUTIONS = [
    {"kernel_size": 3},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 3, "padding": 6, "dilation": 6},
    {"kernel_size": 5, "padding": 2, "groups": 2},
    {"kernel_size": 3, "padding": 1, "groups": 4},
    {"kernel_size": 1},
]


@pytest.mark.parametrize(("height", "width"), [(8, 10), (9, 13)])
@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
def test_convolution_by_hand(settings: dict, height: int, width: int) -> None:
    settings = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | settings
    rows, columns = (
        taps_of_convolution(size, *(settings[key] for key in ("kernel_size", "stride", "padding", "dilation")))
        for size in (height, width)
    )
    pairs = settings["groups"] * (4 // settings["groups"]) * (8 // settings["groups"])
    network = nn.Sequential(nn.Conv2d(4, 8, bias=False, **settings))
    assert count_macs(network, (4, height, width)) == rows * columns * pairs


@pytest.mark.parametrize(("height", "width"), [(5, 7), (4, 4)])
@pytest.mark.parametrize(
    ("kernel", "padding", "extra", "groups"), [(4, 1, 0, 1), (3, 1, 1, 1), (2, 0, 0, 1), (3, 1, 1, 2)]
)
def test_transposed_convolution_multiplies_once_an_input_pixel_and_tap(
    height: int, width: int, kernel: int, padding: int, extra: int, groups: int
) -> None:
    stamps = sum(1 for _ in itertools.product(range(height), range(width), range(kernel), range(kernel)))
    network = nn.Sequential(nn.ConvTranspose2d(6, 4, kernel, 2, padding, extra, groups))
    assert count_macs(network, (6, height, width)) == stamps * (6 // groups) * (4 // groups) * groups


def test_transposed_convolution_has_no_factor_of_its_stride() -> None:
    # 5 x 7 input pixels, 16 taps, 3 x 2 channels. By output pixels it would be 4 times that.
    assert count_macs(nn.Sequential(nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1)), (3, 5, 7)) == 3360


def test_bed_of_nails_and_convolution_cost_four_times_the_transposed_convolution() -> None:
    class Nails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nails, self.convolution = BedOfNails(3), RegularConvolution(3, 3)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return self.convolution(self.nails(features, (10, 14)))

    class Stamps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.upsampler = TransposedConvolution(3, kernel_size=3)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return self.upsampler(features, (10, 14))

    assert count_macs(Nails(), (3, 5, 7)) == 4 * count_macs(Stamps(), (3, 5, 7)) == 10 * 14 * 9 * 9


def test_the_notes_example() -> None:
    """32x32x3 to 30x30x12: 291,600 multiplications, or 24,300 + 32,400 separated."""
    assert count_macs(nn.Sequential(nn.Conv2d(3, 12, 3, bias=False)), (3, 32, 32)) == 291_600
    depthwise, pointwise = nn.Conv2d(3, 3, 3, groups=3, bias=False), nn.Conv2d(3, 12, 1, bias=False)
    separated = nn.Sequential(depthwise, pointwise)
    stages = stage_costs(separated, torch.zeros(1, 3, 32, 32))
    assert [stage.macs for stage in stages if stage.macs] == [24_300, 32_400]
    assert count_macs(separated, (3, 32, 32)) == 56_700
    # The notes' 144 take 12 depthwise kernels; there is one for each of the 3 input channels.
    assert [stage.parameters for stage in stages if stage.parameters] == [27, 36]


def test_separable_convolution_by_module() -> None:
    (stage, *_) = stage_costs(nn.Sequential(SeparableConvolution(3, 12)), torch.zeros(2, 3, 5, 7))
    depthwise, pointwise = stage.modules
    assert (depthwise.name, depthwise.class_name, depthwise.macs, depthwise.parameters) == (
        "0.depthwise",
        "DepthwiseConvolution",
        2 * 945,
        27,
    )
    assert (pointwise.name, pointwise.size, pointwise.macs) == ("0.pointwise", (5, 7), 2 * 35 * 36)
    assert stage.macs == depthwise.macs + pointwise.macs


class Products(nn.Module):
    """Each kind of matrix product once, on 4 x 5 features."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = images[:, 0]  # (1, 4, 5)
        self.linear(features)  # 4 x 5 x 3
        torch.bmm(features, features.transpose(1, 2))  # 4 x 5 x 4
        torch.einsum("npc,nqc->npq", features, features)  # 4 x 5 x 4
        features[0] @ features[0, 0]  # 4 x 5
        torch.dot(features[0, 0], features[0, 1])  # 5
        return F.scaled_dot_product_attention(features, features, features)  # 4 x 4 x 5 twice


def test_matrix_products_by_hand() -> None:
    assert count_macs(Products(), (1, 4, 5)) == 60 + 80 + 80 + 20 + 5 + 160


def test_stages_of_a_network_by_hand() -> None:
    network = segnet.build_network(
        ["data=shapes", "upsampler=transposed_conv", "encoder.widths=[4,8]", "encoder.depths=[1,2]"]
    )
    encoder_0, encoder_1, decoder_0, head, *_ = stages = stage_costs(network, torch.rand(2, 3, 9, 12))
    assert [stage.name for stage in stages] == ["encoder 0", "encoder 1", "decoder 0", "head", "other"]
    assert [stage.stride for stage in stages] == [1, 2, 1, 1, None]
    assert [stage.size for stage in stages[:4]] == [(9, 12), (5, 6), (9, 12), (9, 12)]
    fine, coarse = 2 * 9 * 12, 2 * 5 * 6
    assert encoder_0.macs == fine * 9 * 3 * 4
    assert encoder_1.macs == coarse * 9 * (4 * 8 + 8 * 8)
    # Projection to the width that was pooled, upsampler, block on the concatenated maps.
    assert decoder_0.macs == coarse * 8 * 4 + coarse * 16 * 4 * 4 + fine * 9 * 8 * 4
    assert head.macs == fine * 4 * 4
    assert [stage.parameters for stage in stages] == [108 + 8, 864 + 32, 32 + 8 + 256 + 288 + 8, 20, 0]
    assert sum(stage.parameters for stage in stages) == count_parameters(network)
    assert sum(stage.macs for stage in stages) == 2 * count_macs(network, (3, 9, 12))


class Backbone(nn.Module):
    """An encoder of another make: its convolutions stand in a plain list, and only it knows what is a stage."""

    channels, strides, keeps_pool_indices = (2, 4), (1, 2), (False,)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 4, 3, 2, 1), nn.Conv2d(4, 4, 1)])

    def forward(self, images: torch.Tensor) -> EncoderOutput:
        fine = F.relu_(self.layers[0](images))
        return EncoderOutput([fine, F.relu_(self.layers[2](F.relu_(self.layers[1](fine))))], [None])


class Borrower(nn.Module):
    """Multiplies with its child's weights without calling it, as a fused form does."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(4, 5, 1)

    def forward(self, output: EncoderOutput) -> torch.Tensor:
        return F.conv2d(output.features[-1], self.convolution.weight, self.convolution.bias)


def test_any_encoder_is_split_by_its_features() -> None:
    network = nn.Sequential()
    network.encoder, network.head = Backbone(), Borrower()
    first, second, head, *_ = stage_costs(network, torch.rand(1, 3, 8, 8))
    assert [(stage.name, stage.stride) for stage in (first, second, head)] == [
        ("encoder 0", 1),
        ("encoder 1", 2),
        ("head", 1),
    ]
    assert (first.macs, second.macs, head.macs) == (64 * 9 * 6, 16 * 9 * 8 + 16 * 16, 16 * 20)
    assert (first.parameters, second.parameters, head.parameters) == (56, 76 + 20, 25)
    # Each ReLU keeps its result, which the next convolution keeps too: the same memory.
    assert [stage.activation_bytes for stage in (first, second, head)] == [64 * 2 * 4, 2 * 16 * 4 * 4, 0]


def test_memory_by_hand() -> None:
    # The convolution keeps the image, the ReLU its result (the convolution's memory, written over), the pooling the
    # indices and what it pooled, which is the same memory again; the last convolution what was pooled.
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(2, 2, 1))
    memory = activation_memory(network, torch.rand(1, 1, 8, 8))
    assert memory == {"other": (64 * 4, 0), "1": (128 * 4, 0), "2": (32 * 4, 32 * 8)}


def test_memory_that_several_operators_keep_counts_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.one(images) + self.two(images)

    assert activation_memory(Twice(), torch.rand(1, 1, 8, 8)) == {"other": (256, 0)}


def test_precision_changes_memory_and_no_multiplications() -> None:
    network, images = segnet.build_network(["data=shapes"]), torch.rand(1, 3, 16, 16)
    full = stage_costs(network, images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = stage_costs(network, images)
    assert {stage.name: stage.macs for stage in half} == {stage.name: stage.macs for stage in full if stage.macs}
    assert half[0].activation_bytes < full[0].activation_bytes


def test_the_network_stays_as_it_was() -> None:
    network = segnet.build_network(["data=shapes"]).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stage_costs(network, torch.rand(2, 3, 16, 16))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
