import pytest
import torch
from torch import nn

import segnet
from segnet.analysis import effective_field, random_images, receptive_fields, warn_if_beyond_crop
from segnet.analysis.effective_field import summarise_energy

ARMS = ["nearest", "bilinear", "bed_of_nails", "max_unpool", "transposed_conv"]


def test_energy_of_one_convolution_is_its_squared_kernel() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, bias=False))
    kernels = torch.tensor([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], [[0.0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    with torch.no_grad():
        network[0].weight.copy_(kernels[:, None])
    field = effective_field(network, random_images(2, 1, (7, 9)))
    assert field.pixel == (3, 4)
    expected = torch.zeros(7, 9, dtype=torch.float64)
    expected[2:5, 3:6] = kernels[0].double().square() / 285
    torch.testing.assert_close(field.energy, expected)


def test_energy_is_that_of_all_channels_on_average() -> None:
    """Two classes with the same kernel but for the sign of one tap: random signs keep either tap's energy."""
    network = nn.Sequential(nn.Conv2d(1, 2, (1, 3), padding=(0, 1), bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 2, 0], [1, -2, 0]])[:, None, None])
    field = effective_field(network, random_images(400, 1, (1, 3)))
    torch.testing.assert_close(field.energy[0], torch.tensor([0.2, 0.8, 0], dtype=torch.float64), atol=0.05, rtol=0)


def test_area_by_hand() -> None:
    energy = torch.tensor([[8.0, 4], [2, 2]])
    field = summarise_energy(energy, (0, 0), share=0.75)
    assert (field.area, field.level) == (2, 0.25)
    assert summarise_energy(energy, (0, 0), share=0.76).area == 3
    assert summarise_energy(energy, (0, 0), share=1.0).area == 4
    assert summarise_energy(torch.ones(10, 10), (0, 0)).area == 95
    assert summarise_energy(torch.zeros(2, 2), (0, 0)).area == 0


@pytest.mark.parametrize("upsampler", ARMS)
def test_energy_lies_inside_the_theoretical_field(upsampler: str) -> None:
    network = segnet.build_network(["data=shapes", "encoder.widths=[4,6,8]", f"upsampler={upsampler}"]).train()
    field = effective_field(network, random_images(2, 3, (64, 72)))
    box = receptive_fields(network)[-1]
    assert field.pixel == (32, 36)
    outside = field.energy.clone()
    rows = slice(32 + box.rows[0], 32 + box.rows[1] + 1)
    columns = slice(36 + box.columns[0], 36 + box.columns[1] + 1)
    outside[rows, columns] = 0
    assert outside.sum() == 0
    assert field.energy.sum() == pytest.approx(1)
    assert 0 < field.area <= box.height * box.width
    assert network.training


def test_no_warning_where_the_crop_holds_the_field() -> None:
    network = segnet.build_network(["data=shapes", "encoder.depths=[1,1,1]", "upsampler=nearest"])
    assert receptive_fields(network)[-1].height == 26
    assert warn_if_beyond_crop(network, (26, 26)) is None
    message = warn_if_beyond_crop(network, (26, 25))
    assert "receptive field of 26x26 pixels reaches beyond the training crops of 26x25" in message
    assert "data.augmentation.crop" in message


def test_warning_names_the_atrous_convolution_that_sees_padding_alone() -> None:
    network = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=6, dilation=6))
    message = warn_if_beyond_crop(network, (12, 40))
    assert message.startswith("2 has a dilation of 6 on a map of 6x20: in training crops of 12x40")
    assert "dilation" not in (warn_if_beyond_crop(network, (14, 40)) or "")
    assert warn_if_beyond_crop(network, (30, 30)) is None
