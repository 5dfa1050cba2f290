"""What a file means is kept, or refused in a sentence."""

import logging
import re

import numpy as np
import pytest
from PIL import Image

from segnet.data.images import label_is_coloured, read_coloured_label, read_image, read_label, read_lines
from segnet.errors import UserError
from tests.broken_images import grey_png, png_that_claims

ORIENTATION = 0x0112
CORNERS = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def as_shown(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """What the EXIF standard says that a viewer does, by the meaning of the stored first row and column."""
    turned = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: a[::-1].T,
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: a[:, ::-1].T,
    }
    return turned[orientation](pixels)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_with_the_channels_asked_for(mode, channels, tmp_path):
    Image.new(mode, (5, 4), 70 if mode == "L" else (70, 70, 70)).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", channels)
    assert image.shape == (4, 5, channels)
    assert image.dtype == np.uint8
    assert (image == 70).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("tif", {}), ("tif", {"compression": "tiff_lzw"})])
def test_images_and_labels_are_turned_as_a_viewer_turns_them(tmp_path, orientation, suffix, options):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(CORNERS).save(path, exif=exif, **options)
    assert np.array_equal(read_image(path, 1)[..., 0], as_shown(CORNERS, orientation))
    assert np.array_equal(read_image(path, 3)[..., 2], as_shown(CORNERS, orientation))
    assert np.array_equal(read_label(path), as_shown(CORNERS, orientation))


def test_a_photo_is_turned(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16] = 250  # the stored upper half is at the right when shown
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    image = read_image(tmp_path / "a.jpg", 3)
    assert image.shape == (48, 32, 3)
    assert image[:, :12].max() < 20
    assert image[:, 20:].min() > 230


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_their_range(tmp_path, suffix, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.array([[0, 257, 32768, 65535]], np.uint16)).save(path)
    assert read_image(path, 3)[0, :, 0].tolist() == [0, 1, 128, 255]
    assert "values 0..65535 become 0..255" in caplog.text
    assert read_image(path, 1, value_range=(0, 512))[0, :, 0].tolist() == [0, 128, 255, 255]


def test_floats_are_scaled_by_0_to_1_or_by_a_given_range(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(np.array([[0, 0.5, 1]], np.float32)).save(path)
    assert read_image(path, 1)[0, :, 0].tolist() == [0, 128, 255]
    Image.fromarray(np.array([[-10, 0, 30]], np.float32)).save(path)
    with pytest.raises(UserError, match=r"a.tif holds floats from -10 to 30, .* give value_range, the values"):
        read_image(path, 1)
    assert read_image(path, 1, value_range=(-10, 30))[0, :, 0].tolist() == [0, 64, 255]
    with pytest.raises(UserError, match=r"value_range=\(3, 3\) is empty"):
        read_image(path, 1, value_range=(3, 3))
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(path)
    with pytest.raises(UserError, match="holds values that are not finite"):
        read_image(path, 1, value_range=(0, 1))


def test_integers_of_32_bits_want_a_range(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(np.array([[-5, 100000]], np.int32)).save(path)
    with pytest.raises(UserError, match=r"holds integers from -5 to 100000 .* give value_range"):
        read_image(path, 1)
    assert read_image(path, 1, value_range=(0, 200000))[0, :, 0].tolist() == [0, 128]


def test_a_range_does_not_fit_8_bits(tmp_path):
    Image.fromarray(CORNERS).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"has 8 bits, which value_range=\(0, 4095\) does not fit"):
        read_image(tmp_path / "a.png", 1, value_range=(0, 4095))


def test_white_is_zero_is_shown_as_white_and_labels_keep_their_numbers(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(np.array([[0, 1, 7]], np.uint8)).save(path, tiffinfo={262: 0})
    stored = read_label(path)
    shown = read_image(path, 1)[..., 0]
    assert np.array_equal(shown, 255 - stored)


def test_palettes_and_other_colour_spaces_are_resolved(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), mode=None)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 200, 100, 50] + [0] * 762)
    palette.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png", 3)[0].tolist() == [[10, 20, 30], [200, 100, 50]]
    assert read_label(tmp_path / "p.png").tolist() == [[0, 1]]
    image = Image.new("CMYK", (2, 2), (0, 255, 255, 0))
    image.save(tmp_path / "c.tif")
    assert read_image(tmp_path / "c.tif", 3)[0, 0].tolist() == [255, 0, 0]


def test_transparency_that_is_left_out_is_said(tmp_path, caplog):
    Image.new("RGBA", (2, 2), (9, 8, 7, 255)).save(tmp_path / "opaque.png")
    assert read_image(tmp_path / "opaque.png", 3)[0, 0].tolist() == [9, 8, 7]
    assert not caplog.text
    Image.new("RGBA", (2, 2), (9, 8, 7, 100)).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png", 3)[0, 0].tolist() == [9, 8, 7]
    assert "clear.png: its transparency is left out" in caplog.text


@pytest.mark.parametrize(("bits", "values"), [(1, [0, 1, 1]), (2, [0, 1, 3]), (4, [0, 5, 15])])
def test_labels_of_few_bits_keep_their_numbers(tmp_path, bits, values):
    """Pillow stretches 2 and 4 bits to 0..255, as a viewer must."""
    packed = int("".join(f"{value:0{bits}b}" for value in values).ljust(-(-3 * bits // 8) * 8, "0"), 2)
    row = b"\0" + packed.to_bytes(-(-3 * bits // 8), "big")
    (tmp_path / "a.png").write_bytes(grey_png(3, 1, bits, row))
    assert read_label(tmp_path / "a.png").tolist() == [values]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0, -1]], np.int32), r"holds the value -1 \(1 pixels\): labels are 0..255"),
        (np.array([[0, -245, -9999]], np.int32), r"holds the value -245 \(2 pixels\)"),
        (np.array([[0, 1.9]], np.float32), r"holds 1.9 \(1 values are no integers\): labels are classes"),
        (np.array([[0, np.nan]], np.float32), r"holds nan \(1 values are no integers\)"),
        (np.array([[0, -9999]], np.float32), r"holds the value -9999"),
        (np.array([[0, 256]], np.uint16), r"holds the value 256"),
    ],
)
def test_labels_out_of_range_are_refused_by_the_file_s_own_values(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=message):
        read_label(tmp_path / "a.tif")


def test_signed_bytes_are_not_taken_for_classes(tmp_path):
    Image.fromarray(np.array([[1, 255]], np.uint8)).save(tmp_path / "a.tif", tiffinfo={339: 2})
    with pytest.raises(UserError, match=r"holds the value -1 \(1 pixels\)"):
        read_label(tmp_path / "a.tif")


@pytest.mark.parametrize("values", [np.array([[0, 255]], t) for t in (np.uint8, np.uint16, np.int32, np.float32)])
def test_labels_of_any_type_keep_their_values(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    label = read_label(tmp_path / "a.tif")
    assert label.dtype == np.uint8
    assert label.tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("name", "options", "shown"),
    [
        ("a.jpg", {}, "JPEG"),
        ("a.webp", {}, "WEBP"),
        ("a.webp", {"lossless": True}, "WEBP"),  # Pillow does not tell the two apart
        ("a.tif", {"compression": "jpeg"}, "JPEG"),
    ],
)
def test_labels_stored_with_loss_are_refused(tmp_path, name, options, shown):
    Image.fromarray(CORNERS).save(tmp_path / name, **options)
    with pytest.raises(UserError, match=rf"is stored as {shown}, which may change values: export it again as PNG"):
        read_label(tmp_path / name)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_coloured_labels_stored_with_loss_are_refused(tmp_path, name):
    Image.new("RGB", (16, 16), (200, 40, 40)).save(tmp_path / name)
    assert label_is_coloured(tmp_path / name)
    with pytest.raises(UserError, match="which may change values: export it again as PNG"):
        read_coloured_label(tmp_path / name)


def test_an_empty_label_says_so_before_its_kind_is_asked_for(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match=r"cannot read the label .*a\.png: the file is empty"):
        label_is_coloured(tmp_path / "a.png")


def test_colour_labels_are_refused(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="is a colour image: a label has one value per pixel"):
        read_label(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["tif", "gif", "png", "webp"])
def test_several_frames_are_refused(tmp_path, suffix):
    frames = [Image.new("L", (4, 4), colour) for colour in (0, 200)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match="has 2 frames or pages: save each as a file of its own"):
        read_image(tmp_path / f"a.{suffix}", 3)


def test_the_further_views_of_a_telephone_s_photo_are_left_alone(tmp_path):
    views = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    views[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=views[1:])
    assert read_image(tmp_path / "a.jpg", 3)[0, 0, 0] > 200


@pytest.mark.parametrize("read", [lambda path: read_image(path, 3), read_label])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, read):
    (tmp_path / "a.png").write_bytes(png_that_claims(60000, 50000))
    with pytest.raises(
        UserError, match=re.escape("claims 60000x50000 pixels, more than the 178956970 that are read: cut")
    ):
        read(tmp_path / "a.png")


def test_larger_images_can_be_allowed(tmp_path):
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"claims 30x20 pixels, more than max_pixels=599: set max_pixels=600"):
        read_image(tmp_path / "a.png", 1, max_pixels=599)
    assert read_image(tmp_path / "a.png", 1, max_pixels=600).shape == (20, 30, 1)
    assert Image.MAX_IMAGE_PIXELS is not None  # Pillow's own limit stays as others know it


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", png_that_claims(10, 10)])
def test_broken_files_are_a_sentence(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read the (image|label) .*a.png"):
        read_image(tmp_path / "a.png", 3)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_list_in_another_encoding_is_a_sentence(tmp_path, encoding):
    (tmp_path / "list.txt").write_bytes("straße.png\n".encode(encoding))
    with pytest.raises(UserError, match=r"list.txt is not encoded in UTF-8 \(.*\): save it as UTF-8"):
        read_lines(tmp_path / "list.txt")


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "list.txt").write_bytes("straße.png\r\nb.png\n".encode("utf-8-sig"))
    assert read_lines(tmp_path / "list.txt") == ["straße.png", "b.png"]
    with pytest.raises(UserError, match=r"cannot read .*nothing\.txt"):
        read_lines(tmp_path / "nothing.txt")
