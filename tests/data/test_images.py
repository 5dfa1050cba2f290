import numpy as np
import pytest
from PIL import Image

from segnet.data import read_image, read_label
from segnet.errors import UserError


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_with_the_channels_asked_for(mode, channels, tmp_path):
    Image.new(mode, (5, 4), 70 if mode == "L" else (70, 70, 70)).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", channels)
    assert image.shape == (4, 5, channels)
    assert image.dtype == np.uint8
    assert (image == 70).all()


def test_a_palette_s_indices_are_the_classes(tmp_path):
    label = Image.fromarray(np.array([[0, 1], [2, 255]], np.uint8)).convert("P")
    label.putpalette([9, 9, 9] * 256)
    label.save(tmp_path / "a.png")
    assert read_label(tmp_path / "a.png").tolist() == [[0, 1], [2, 255]]


def test_labels_beyond_a_byte_and_in_colour_are_refused(tmp_path):
    Image.fromarray(np.array([[300]], np.uint16)).save(tmp_path / "wide.png")
    with pytest.raises(UserError, match=r"wide.png holds the value 300: labels are 0..255"):
        read_label(tmp_path / "wide.png")
    Image.new("RGB", (2, 2)).save(tmp_path / "colour.png")
    with pytest.raises(UserError, match=r"colour.png is a colour image: a label has one value a pixel"):
        read_label(tmp_path / "colour.png")
