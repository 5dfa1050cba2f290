"""What the cache of decoded samples holds, whatever happens to the files."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segnet.data.cache import CachedDataset
from segnet.data.images import read_image, read_label
from tests.data.cached_photos import BUDGET, RANDOM, Photos, check, decoded_by, opened, the_files, written


def test_a_split_is_decoded_once_for_all_epochs_and_runs(photos_root, caplog):
    caplog.set_level(logging.INFO, "segnet")
    assert decoded_by(photos_root) == 4  # the first one twice, to know how much it will be
    assert "decoded the 3 samples of train once, into" in caplog.text
    assert "(0 MB); data.cache_budget_gib=0 switches the cache off" in caplog.text
    assert decoded_by(photos_root) == 0
    for path in the_files(photos_root):
        assert path.stat().st_mode & 0o777 == (photos_root / "train/0.png").stat().st_mode & 0o777


def rewrite_with_the_same_size_and_second(photos_root: Path) -> None:
    path = photos_root / "train" / "0.png"
    before = path.stat()
    pixels = read_image(path, 3)
    Image.fromarray(pixels[::-1]).save(path, compress_level=0)
    Image.fromarray(pixels).save(photos_root / "train" / "2.png")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def rename(photos_root: Path) -> None:
    (photos_root / "train/2.png").rename(photos_root / "train/3.png")
    (photos_root / "trainannot/2.png").rename(photos_root / "trainannot/3.png")
    (photos_root / "train.txt").write_text((photos_root / "train.txt").read_text().replace("/2.png", "/3.png"))


def drop_one(photos_root: Path) -> None:
    (photos_root / "train.txt").write_text("".join((photos_root / "train.txt").read_text().splitlines(True)[:2]))


@pytest.mark.parametrize("change", [rewrite_with_the_same_size_and_second, rename, drop_one])
def test_a_change_of_the_files_has_it_written_again(photos_root, change):
    opened(photos_root)
    change(photos_root)
    before = Photos.decoded
    cached = opened(photos_root)
    assert Photos.decoded - before == len(cached.ids) + 1
    for index, (image, label) in enumerate(cached.dataset.pairs):
        found = cached.load(index, RANDOM)
        assert np.array_equal(found[0], read_image(image, 3))
        assert np.array_equal(found[1], read_label(label))
    the_files(photos_root)  # the old ones are replaced
    assert len(written(photos_root)) == 2


def test_a_label_that_changes_has_it_written_again(photos_root):
    opened(photos_root)
    path = photos_root / "trainannot" / "0.png"
    Image.fromarray(np.full((6, 8), 5, np.uint8)).save(path)
    assert decoded_by(photos_root) == 4


def test_another_way_of_decoding_has_it_written_again(photos_root):
    opened(photos_root)
    dataset = Photos("train", photos_root)
    dataset.channels = 1
    before = Photos.decoded
    CachedDataset(dataset, "train", BUDGET).open()
    assert Photos.decoded - before == 4


def damaged(content: bytes, kind: str) -> bytes:
    return {
        "cut": content[:-20],
        "garbage": b"no cache" * 9,
        "empty": b"",
        "other numbers": content.replace(b"9, 7", b"7, 9"),
        "other type": content.replace(b"|u1", b"|i1"),
    }[kind]


@pytest.mark.parametrize("kind", ["cut", "garbage", "empty", "other numbers"])
def test_a_damaged_index_is_written_again(photos_root, kind, caplog):
    opened(photos_root)
    index, array = the_files(photos_root)
    before = index.read_bytes(), array.read_bytes()
    assert damaged(before[0], kind) != before[0]
    index.write_bytes(damaged(before[0], kind))
    assert decoded_by(photos_root) == 4
    assert "is damaged, and written again" in caplog.text
    assert (index.read_bytes(), array.read_bytes()) == before


@pytest.mark.parametrize("kind", ["cut", "garbage", "empty", "other type", "gone"])
def test_a_damaged_array_is_written_again(photos_root, kind, caplog):
    opened(photos_root)
    index, array = the_files(photos_root)
    before = index.read_bytes(), array.read_bytes()
    array.unlink()
    if kind != "gone":
        array.write_bytes(damaged(before[1], kind))
    assert decoded_by(photos_root) == 4
    assert "is damaged, and written again" in caplog.text
    assert (index.read_bytes(), array.read_bytes()) == before


def test_a_damaged_sample_is_decoded_from_its_files(photos_root, caplog):
    opened(photos_root)
    _, array = the_files(photos_root)
    content = bytearray(array.read_bytes())
    content[128 + 3] ^= 255  # behind the header
    array.write_bytes(content)
    assert decoded_by(photos_root) == 1
    assert "is damaged at 0.png: delete it" in caplog.text


def test_no_flipped_bit_gives_a_wrong_sample(photos_root):
    """A bit of each byte of the array's header, and of many bytes of the index and the pixels."""
    opened(photos_root)
    random = np.random.default_rng(0)
    for path in the_files(photos_root):
        content = path.read_bytes()
        header = range(128 if path.suffix == ".npy" else 0)
        for place in (*header, *random.integers(len(header), len(content), 60)):
            changed = bytearray(content)
            changed[place] ^= 1 << int(random.integers(8))
            path.write_bytes(changed)
            check(opened(photos_root), photos_root)
