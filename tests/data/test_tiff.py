"""TIFF files of several channels, of more than 8 bits or more than four."""

import numpy as np
import pytest
import tifffile

from segnet.data import read_image
from segnet.errors import UserError

DEEP = np.random.default_rng(0).integers(0, 65536, (6, 8, 6)).astype(np.uint16)
GREY = {"photometric": "minisblack", "planarconfig": "contig"}


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (DEEP[..., :3], {"photometric": "rgb"}),
        (DEEP[..., :3].transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}),
        (DEEP[..., :3], {"photometric": "rgb", "compression": "zlib"}),
        (DEEP[..., :4], {"photometric": "rgb"}),
        (DEEP, GREY),
        ((DEEP >> 8).astype(np.uint8), GREY),
        ((DEEP[..., :3] / 65535).astype(np.float32), {"photometric": "rgb"}),
    ],
    ids=["16 bits", "planes", "compressed", "four channels", "six channels", "six of 8 bits", "floats"],
)
def test_the_first_three_channels_are_read_by_the_range_of_their_type(values, options, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    expected = DEEP[..., :3] >> 8 if values.dtype == np.uint8 else np.rint(DEEP[..., :3] / 257)
    assert np.array_equal(read_image(tmp_path / "a.tif", 3), expected)


def test_grey_and_a_given_range(tmp_path):
    values = np.full((4, 5, 3), 1024, np.uint16)
    tifffile.imwrite(tmp_path / "a.tiff", values, photometric="rgb")
    assert (read_image(tmp_path / "a.tiff", 3, value_range=(0, 4095)) == 64).all()
    assert read_image(tmp_path / "a.tiff", 1, value_range=(0, 2048)).tolist() == [[[128]] * 5] * 4


def test_eight_bits_are_read_as_before(tmp_path):
    values = (DEEP[..., :3] >> 8).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    assert np.array_equal(read_image(tmp_path / "a.tif", 3), values)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (DEEP[..., :3].astype(np.int32), {"photometric": "rgb"}, "holds int32 from .* give value_range"),
        (DEEP[..., :3].astype(np.float32), {"photometric": "rgb"}, "holds float32 from .* give value_range"),
        (np.full((4, 5, 3), np.nan, np.float64), {"photometric": "rgb"}, "holds float64 from nan"),
        (np.stack([DEEP[..., :3]] * 2), {"photometric": "rgb"}, "has 2 frames or pages"),
        (DEEP[..., :2], GREY, "has 2 channels that are no red, green and blue"),
        (DEEP[..., :4], {"photometric": "separated"}, "has 4 channels that are no red, green and blue"),
        (DEEP[..., :3], {"photometric": "rgb", "extratags": [(274, 3, 1, 6, True)]}, "stored turned .orientation 6"),
    ],
)
def test_what_has_no_meaning_as_a_colour_is_refused(values, options, message, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    with pytest.raises(UserError, match=message):
        read_image(tmp_path / "a.tif", 3)


def test_a_truncated_file_and_one_that_is_too_large(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, **GREY)
    with pytest.raises(UserError, match="claims 8x6 pixels, more than max_pixels=40"):
        read_image(tmp_path / "a.tif", 3, max_pixels=40)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[:-200])
    with pytest.raises(UserError, match="cannot read the image"):
        read_image(tmp_path / "a.tif", 3)
    (tmp_path / "a.tif").write_bytes(b"no image")
    with pytest.raises(UserError, match="cannot read the image"):
        read_image(tmp_path / "a.tif", 3)
