import errno
import io
import logging
import os
import struct

import filelock
import numpy as np
import pytest
from PIL import Image

from segnet.data import Packed, Shapes
from segnet.data.sample_bytes import decode_sample, encode_sample
from segnet.errors import UserError
from tests.data.packed_sets import pack_set

SHAPES = ("data=shapes", "data.size=[16,24]", "data.images={train:8,val:3,test:4}")


def test_what_an_interruption_left_is_replaced(tmp_path):
    (tmp_path / ".packed.packing/train").mkdir(parents=True)
    (tmp_path / ".packed.packing/train/chunk-0-0.bin").write_bytes(b"half of it")

    def stop(samples, total):
        yield from list(samples)[:1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_set(tmp_path / "packed", *SHAPES, progress=stop)
    assert list(tmp_path.iterdir()) == []
    pack_set(tmp_path / "packed", *SHAPES)
    assert [path.name for path in tmp_path.iterdir()] == ["packed"]
    assert len(Packed("train", tmp_path / "packed").ids) == 8


def test_an_existing_output_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"output=.* exists already: name another folder, or delete this one"):
        pack_set(tmp_path, *SHAPES)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_refused_and_no_lock_stays(tmp_path):
    (tmp_path / "packed").write_text("a file")
    with pytest.raises(UserError, match="exists already"):
        pack_set(tmp_path / "packed", *SHAPES)
    assert [path.name for path in tmp_path.iterdir()] == ["packed"]


def test_two_do_not_pack_into_one_folder(tmp_path):
    with (
        filelock.FileLock(tmp_path / ".packed.lock"),
        pytest.raises(UserError, match=r"another process packs into .*packed: wait for it"),
    ):
        pack_set(tmp_path / "packed", *SHAPES)


def test_a_full_disk_is_named_and_nothing_stays(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("segnet.data.packing.os.fsync", full)
    with pytest.raises(UserError, match=r"packed could not be written \(No space left on device\): make room"):
        pack_set(tmp_path / "packed", *SHAPES)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match=r"file/packed could not be written \(.*\): make room, or name another folder"):
        pack_set(tmp_path / "file/packed", *SHAPES)


def test_a_wrong_sample_is_named_and_nothing_stays(tmp_path, write_camvid):
    root = write_camvid(tmp_path / "camvid")
    Image.fromarray(np.full((6, 8), 77, np.uint8)).save(root / "valannot/1.png")
    with pytest.raises(UserError, match=r"the label of .*1\.png holds the value 77 \(48 pixels\), which is neither"):
        pack_set(tmp_path / "packed", "data=camvid", f"data.root={root}")
    assert [path.name for path in tmp_path.iterdir()] == ["camvid"]


def test_a_set_that_draws_its_images_anew_says_so(tmp_path, monkeypatch, caplog):
    drawn = Shapes.load

    def load(self, index, random):
        image, label = drawn(self, index, random)
        return random.integers(0, 256, image.shape, dtype=np.uint8), label

    monkeypatch.setattr(Shapes, "load", load)
    with caplog.at_level(logging.WARNING):
        pack_set(tmp_path / "packed", *SHAPES)
    assert "draws its training images anew in each epoch; packed, each is drawn once for ever" in caplog.text


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (17, 5)])
def test_bytes_of_a_sample_give_it_back(channels, size, tmp_path):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*size, channels), dtype=np.uint8)
    label = random.integers(0, 256, size, dtype=np.uint8)
    for file, plain in ((None, False), (tmp_path / "absent.png", False), (None, True)):
        found = decode_sample(encode_sample(image, label, file, plain), channels)
        assert np.array_equal(found[0], image)
        assert np.array_equal(found[1], label)


def test_pixels_of_another_type_are_refused():
    file = io.BytesIO()
    np.save(file, np.zeros((3, 2, 2), np.float32))
    with pytest.raises(ValueError, match="pixels of float32"):
        decode_sample(struct.pack("<I", len(file.getvalue())) + 2 * file.getvalue(), 3)


def test_a_photo_keeps_its_jpeg_and_a_turned_one_its_meaning(tmp_path):
    from segnet.data.images import read_image

    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif)
    image = read_image(tmp_path / "turned.jpg", 3)
    assert image.shape == (30, 20, 3)
    item = encode_sample(image, image[..., 0], tmp_path / "turned.jpg")
    assert (tmp_path / "turned.jpg").read_bytes() in item
    assert np.array_equal(decode_sample(item, 3)[0], image)
    assert (tmp_path / "turned.jpg").read_bytes() not in encode_sample(
        image + 1, image[..., 0], tmp_path / "turned.jpg"
    )
