"""TIFF files of several channels, of more than 8 bits or more than four."""

import logging

import numpy as np
import pytest
import tifffile

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import read_image, read_label
from segnet.data.images import label_is_coloured
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
        (
            np.full((4, 5, 3), np.nan, np.float64),
            {"photometric": "rgb"},
            "holds values that are not finite: replace",
        ),
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


def test_a_compression_that_needs_a_package_says_which(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, **GREY)

    def without_it(page):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", without_it)
    with pytest.raises(UserError, match=r"whose compression needs one more package: pip install .*tiff"):
        read_image(tmp_path / "a.tif", 3)


def test_what_holds_for_a_folder_is_logged_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, DEEP, **GREY)
        read_image(tmp_path / name, 3)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "the first three of 6 channels are taken as red, green and blue",
        "values 0..65535 become 0..255",
    ]


@pytest.fixture
def mapped_from_40_pixels(monkeypatch):
    monkeypatch.setattr("segnet.data.tiff.MAPPED_PIXELS", 40)


def test_a_large_file_is_mapped_and_not_read(tmp_path, mapped_from_40_pixels):
    values = (DEEP[..., :3] >> 8).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", rowsperstrip=2)
    tifffile.imwrite(tmp_path / "mask.tif", values[..., 0] % 3, photometric="minisblack")
    image, label = read_image(tmp_path / "a.tif", 3, max_pixels=1), read_label(tmp_path / "mask.tif", max_pixels=1)
    assert isinstance(image, np.memmap)
    assert isinstance(label, np.memmap)
    assert np.array_equal(image, values)
    assert np.array_equal(label, values[..., 0] % 3)
    assert not image.flags.writeable


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"planarconfig": "separate"},
        {"extratags": [(274, 3, 1, 3, True)]},
    ],
    ids=["compressed", "planes", "turned"],
)
def test_what_cannot_be_mapped_is_read_whole(options, tmp_path, mapped_from_40_pixels):
    values = (DEEP[..., :3] >> 8).astype(np.uint8)
    stored = values.transpose(2, 0, 1) if "planarconfig" in options else values
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **options)
    image = read_image(tmp_path / "a.tif", 3)
    assert not isinstance(image, np.memmap)
    assert np.array_equal(image, values[::-1, ::-1] if "extratags" in options else values)


def test_a_black_and_white_file_that_counts_from_white_is_not_mapped(tmp_path, mapped_from_40_pixels):
    tifffile.imwrite(tmp_path / "a.tif", np.full((6, 8), 250, np.uint8), photometric="miniswhite")
    assert (read_image(tmp_path / "a.tif", 1) == 5).all()


def test_a_training_cuts_its_crops_from_a_mapped_file(tmp_path, mapped_from_40_pixels):
    for folder in ("images", "masks"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(6):
        values = random.integers(0, 256, (30, 40, 3)).astype(np.uint8)
        tifffile.imwrite(tmp_path / f"photos/images/{number}.tif", values, photometric="rgb")
        tifffile.imwrite(tmp_path / f"photos/masks/{number}.tif", values[..., 0] % 2, photometric="minisblack")
    settings = ["data.augmentation.crop=[8,8]", "data.cache_budget_gib=0", "data.num_workers=0"]
    data = data_from_config(compose(["data=folder", f"data.root={tmp_path / 'photos'}", *settings]))
    data.check()
    assert isinstance(data.split("train").load(0, random)[0], np.memmap)
    assert next(iter(data.training_batches(0)))["image"].shape[2:] == (8, 8)


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.float64])
def test_labels_of_64_bits_are_read_and_checked(kind, tmp_path):
    label = np.arange(12).reshape(3, 4)
    tifffile.imwrite(tmp_path / "a.tif", label.astype(kind))
    assert not label_is_coloured(tmp_path / "a.tif")
    read = read_label(tmp_path / "a.tif")
    assert read.dtype == np.uint8
    assert np.array_equal(read, label)
    tifffile.imwrite(tmp_path / "b.tif", (label + 250).astype(kind))
    with pytest.raises(UserError, match=r"b.tif holds the value 256 \(6 pixels\): labels are 0..255"):
        read_label(tmp_path / "b.tif")
