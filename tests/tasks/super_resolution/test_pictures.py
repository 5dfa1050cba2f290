"""Panel, table and prediction of super-resolution, without a training."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from segnet.build import data_from_config, network_from_config
from segnet.metrics import ImageQuality
from segnet.tasks.super_resolution.network import enlarge
from segnet.tasks.super_resolution.panel import draw_panel
from segnet.tasks.super_resolution.prediction import enlarge_images
from segnet.tasks.super_resolution.table import quality_table


def test_the_table_has_a_column_for_each_result():
    table = quality_table({"network": ImageQuality(30.126, 0.91234), "bicubic": ImageQuality(28.0, math.nan)}, "val", 4)
    assert table.title == "x4, val split"
    assert table.columns == ["network", "bicubic"]
    assert [(name, list(values)) for name, values in table.rows] == [
        ("PSNR, dB", ["30.13", "28.00"]),
        ("SSIM", ["0.9123", "-"]),
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_bands_are_clamped_rounded_and_put_in_their_rows(channels):
    images = [np.full((3, 4, channels), value, np.uint8) for value in (0, 255)]

    def forward(pixels):
        large = enlarge(pixels.float() / 255, 2) * 1.5 - 0.2  # beyond 0..1 on both sides
        return [(0, large[:, :, :4]), (4, large[:, :, 4:])]

    dark, bright = enlarge_images(forward, images, 2)
    assert dark.enlarged.shape == (6, 8, channels)
    assert (dark.enlarged == 0).all()
    assert (bright.enlarged == 255).all()


def test_one_channel_is_written_as_grey(tmp_path):
    (result,) = enlarge_images(
        lambda pixels: [(0, enlarge(pixels.float() / 255, 2))], [np.full((3, 4, 1), 51, np.uint8)], 2
    )
    result.write(tmp_path, "deep/large.png", ("enlarged",), 0.5)
    with Image.open(tmp_path / "deep" / "large.png") as picture:
        assert (picture.mode, picture.size) == ("L", (8, 6))
        assert (np.asarray(picture) == 51).all()


def test_the_panel_shows_input_bicubic_network_target_and_error(tiny_config):
    config = tiny_config("task=super_resolution", "data.size=[16,24]")
    network, data = network_from_config(config), data_from_config(config)
    with torch.no_grad():
        picture = draw_panel(network, data, "test", 2)
    with Image.open(io.BytesIO(picture)) as drawn:
        drawn.load()
        assert drawn.width > 1000
        assert np.asarray(drawn.convert("L")).std() > 20
