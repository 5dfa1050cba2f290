import logging
import multiprocessing
import os
import pickle
from pathlib import Path

import filelock
import numpy as np
import pytest
import torch
from PIL import Image

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import CamVid
from segnet.data.cache import FOLDER, CachedDataset, decode_once
from segnet.data.images import read_image, read_label
from segnet.errors import UserError

RANDOM = np.random.default_rng(0)
BUDGET = 10**6


class Photos(CamVid):
    """Counts how often a file is decoded, in this process; its images can be of several sizes."""

    decoded = 0

    def load(self, index, random):
        type(self).decoded += 1
        return super().load(index, random)


@pytest.fixture
def root(write_camvid, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(Photos, "decoded", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("SEGNET_CACHE", raising=False)
    root = write_camvid(tmp_path / "camvid")
    for folder, image in (("train", np.zeros((9, 7, 3), np.uint8)), ("trainannot", np.ones((9, 7), np.uint8))):
        Image.fromarray(image).save(root / folder / "1.png")
    return root


def check(cached, root: Path) -> None:
    """The samples of the training split are those in the files."""
    for index in range(3):
        image, label = cached.load(index, RANDOM)
        assert np.array_equal(image, read_image(root / "train" / f"{index}.png", 3))
        assert np.array_equal(label, read_label(root / "trainannot" / f"{index}.png"))


def opened(root: Path, budget: int = BUDGET, folder: Path | None = None) -> CachedDataset:
    cached = CachedDataset(Photos("train", root), "train", budget, folder)
    cached.open()
    return cached


def decoded_by(root: Path, **settings) -> int:
    before = Photos.decoded
    check(opened(root, **settings), root)
    return Photos.decoded - before


def the_files(root: Path) -> tuple[Path, Path]:
    """The index and the array, of which there is never a second one."""
    (index,), (array,) = ((root / FOLDER).glob(pattern) for pattern in ("*.json", "*.npy"))
    return index, array


def written(root: Path) -> list[str]:
    """What is in the folder besides the file for the lock."""
    return [path.name for path in (root / FOLDER).iterdir() if path.suffix != ".lock"]


def test_a_split_is_decoded_once_for_all_epochs_and_runs(root, caplog):
    caplog.set_level(logging.INFO, "segnet")
    assert decoded_by(root) == 4  # the first one twice, to know how much it will be
    assert "decoded the 3 samples of train once, into" in caplog.text
    assert "(0 MB); data.cache_budget_gib=0 switches the cache off" in caplog.text
    assert decoded_by(root) == 0
    for path in the_files(root):
        assert path.stat().st_mode & 0o777 == (root / "train/0.png").stat().st_mode & 0o777


def rewrite_with_the_same_size_and_second(root: Path) -> None:
    path = root / "train" / "0.png"
    before = path.stat()
    pixels = read_image(path, 3)
    Image.fromarray(pixels[::-1]).save(path, compress_level=0)
    Image.fromarray(pixels).save(root / "train" / "2.png")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def rename(root: Path) -> None:
    (root / "train/2.png").rename(root / "train/3.png")
    (root / "trainannot/2.png").rename(root / "trainannot/3.png")
    (root / "train.txt").write_text((root / "train.txt").read_text().replace("/2.png", "/3.png"))


def drop_one(root: Path) -> None:
    (root / "train.txt").write_text("".join((root / "train.txt").read_text().splitlines(True)[:2]))


@pytest.mark.parametrize("change", [rewrite_with_the_same_size_and_second, rename, drop_one])
def test_a_change_of_the_files_makes_it_anew(root, change):
    opened(root)
    change(root)
    before = Photos.decoded
    cached = opened(root)
    assert Photos.decoded - before == len(cached.ids) + 1
    for index, (image, label) in enumerate(cached.dataset.pairs):
        found = cached.load(index, RANDOM)
        assert np.array_equal(found[0], read_image(image, 3))
        assert np.array_equal(found[1], read_label(label))
    the_files(root)  # the old ones are replaced
    assert len(written(root)) == 2


def test_a_label_that_changes_makes_it_anew(root):
    opened(root)
    path = root / "trainannot" / "0.png"
    Image.fromarray(np.full((6, 8), 5, np.uint8)).save(path)
    assert decoded_by(root) == 4


def test_another_way_of_decoding_makes_it_anew(root):
    opened(root)
    dataset = Photos("train", root)
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
def test_a_damaged_index_is_made_anew(root, kind, caplog):
    opened(root)
    index, array = the_files(root)
    before = index.read_bytes(), array.read_bytes()
    assert damaged(before[0], kind) != before[0]
    index.write_bytes(damaged(before[0], kind))
    assert decoded_by(root) == 4
    assert "is damaged, and written again" in caplog.text
    assert (index.read_bytes(), array.read_bytes()) == before


@pytest.mark.parametrize("kind", ["cut", "garbage", "empty", "other type", "gone"])
def test_a_damaged_array_is_made_anew(root, kind, caplog):
    opened(root)
    index, array = the_files(root)
    before = index.read_bytes(), array.read_bytes()
    array.unlink()
    if kind != "gone":
        array.write_bytes(damaged(before[1], kind))
    assert decoded_by(root) == 4
    assert "is damaged, and written again" in caplog.text
    assert (index.read_bytes(), array.read_bytes()) == before


def test_a_damaged_sample_is_decoded_from_its_files(root, caplog):
    opened(root)
    _, array = the_files(root)
    content = bytearray(array.read_bytes())
    content[128 + 3] ^= 255  # behind the header
    array.write_bytes(content)
    assert decoded_by(root) == 1
    assert "is damaged at 0.png: delete it" in caplog.text


def test_no_flipped_bit_gives_a_wrong_sample(root):
    """A bit of each byte of the array's header, and of many bytes of the index and the pixels."""
    opened(root)
    random = np.random.default_rng(0)
    for path in the_files(root):
        content = path.read_bytes()
        header = range(128 if path.suffix == ".npy" else 0)
        for place in (*header, *random.integers(len(header), len(content), 60)):
            changed = bytearray(content)
            changed[place] ^= 1 << int(random.integers(8))
            path.write_bytes(changed)
            check(opened(root), root)


def test_half_written_files_of_a_process_that_was_killed_are_cleared_away(root, monkeypatch):
    import segnet.data.pixel_file as pixel_file

    def killed(*paths):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(pixel_file.os, "replace", killed)
        patched.setattr(pixel_file.os, "unlink", lambda path: None)
        with pytest.raises(SystemExit):
            opened(root)
    assert len(written(root)) == 1
    assert decoded_by(root) == 4
    assert len(written(root)) == 2
    the_files(root)


def test_a_reader_keeps_the_array_that_is_replaced(root):
    reader = opened(root)
    before = [reader.load(index, RANDOM) for index in range(3)]
    path = root / "trainannot" / "0.png"
    Image.fromarray(np.full((6, 8), 5, np.uint8)).save(path)
    assert decoded_by(root) == 4
    for index, sample in enumerate(before):
        assert all(np.array_equal(*pair) for pair in zip(reader.load(index, RANDOM), sample, strict=True))


def test_where_the_file_system_has_no_locks_files_are_written_all_the_same(root, monkeypatch):
    def acquire(lock):
        raise NotImplementedError

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    assert decoded_by(root) == 4
    assert decoded_by(root) == 0
    the_files(root)


@pytest.mark.parametrize("blocked", ["file", "permission"])
def test_a_read_only_data_folder_leaves_the_users_cache_folder(root, blocked, tmp_path, monkeypatch):
    if blocked == "file":
        (root / FOLDER).write_text("in the way")
    else:
        make = Path.mkdir

        def mkdir(path, *args, **kwargs):
            if root in path.parents:
                raise PermissionError(13, "Permission denied", str(path))
            make(path, *args, **kwargs)

        monkeypatch.setattr(Path, "mkdir", mkdir)
    assert decoded_by(root) == 4
    assert decoded_by(root) == 0
    assert {path.name[:12] for path in (tmp_path / "xdg" / "segnet").iterdir()} == {"Photos-train"}


def test_a_place_of_ones_own(root, tmp_path):
    assert decoded_by(root, folder=tmp_path / "mine") == 4
    assert decoded_by(root, folder=tmp_path / "mine") == 0
    assert not (root / FOLDER).exists()


def test_with_no_place_to_write_each_epoch_decodes(root, tmp_path, caplog):
    (tmp_path / "mine").write_text("in the way")
    assert decoded_by(root, folder=tmp_path / "mine") == 4
    assert "could not be written to" in caplog.text
    assert "data.cache_dir=FOLDER names another place" in caplog.text


def test_what_is_larger_than_the_budget_is_decoded_each_time(root, caplog):
    caplog.set_level(logging.INFO, "segnet")
    assert decoded_by(root, budget=500) == 4
    assert "more than data.cache_budget_gib" in caplog.text
    assert not (root / FOLDER).exists()
    # Three of the first one's size would fit, and the second one is larger: found out while writing, to two places.
    assert decoded_by(root, budget=600) == 1 + 3 + 3 + 3
    assert written(root) == []


def test_a_broken_image_is_named_and_leaves_nothing(root):
    (root / "train" / "2.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"cannot read the image .*train/2.png"):
        opened(root)
    assert written(root) == []


def test_what_is_not_in_bytes_is_refused(root, monkeypatch):
    monkeypatch.setattr(Photos, "load", lambda self, index, random: (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8)))
    with pytest.raises(UserError, match=r"0.png of Photos is an image \(4, 4, 3\) float64 .*: load\(\) must return"):
        opened(root)


def test_sets_that_are_drawn_and_a_budget_of_nothing_stay_as_they_are(root):
    shapes = data_from_config(compose(["data=shapes"])).split("train")
    assert decode_once(shapes, "train", BUDGET) is shapes
    assert not isinstance(shapes, CachedDataset)
    photos = Photos("train", root)
    assert decode_once(photos, "train", 0) is photos


def test_it_travels_to_other_processes(root):
    again = pickle.loads(pickle.dumps(opened(root)))
    before = Photos.decoded
    check(again, root)
    assert Photos.decoded == before


def open_together(root: Path, barrier, results) -> None:
    acquire = filelock.FileLock.acquire

    def acquire_together(lock):
        barrier.wait(60)  # all have found that there is no file, and none has the lock
        return acquire(lock)

    filelock.FileLock.acquire = acquire_together
    check(CachedDataset(Photos("train", root), "train", BUDGET), root)
    results.put(Photos.decoded)


def test_of_several_processes_at_once_one_decodes(root):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    workers = [context.Process(target=open_together, args=(root, barrier, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    counts = sorted(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert counts == [1, 1, 4]  # each decodes the first sample, to know how much it will be
    the_files(root)


def test_the_module_reads_the_same_batches_with_and_without(root):
    overrides = ["data=camvid", f"data.root={root}", "data.batch_size=3", "data.num_workers=0"]
    overrides += ["data.augmentation.crop=[6,6]", "data.augmentation.rotation=30"]
    plain, cached = (
        list(data_from_config(compose([*overrides, f"data.cache_budget_gib={budget}"])).training_batches(3))
        for budget in (0, 4)
    )
    assert (root / FOLDER).is_dir()
    assert len(plain) == len(cached) == 1
    for name in ("image", "label", "index"):
        assert torch.equal(plain[0][name], cached[0][name])
