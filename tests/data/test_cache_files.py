"""Where the cache of decoded samples is written, by how many processes, and when it is not."""

import logging
import multiprocessing
import pickle
from pathlib import Path

import filelock
import numpy as np
import pytest
import torch
from PIL import Image

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data.cache import FOLDER, CachedDataset, decode_once
from segnet.errors import UserError
from tests.data.cached_photos import BUDGET, RANDOM, Photos, check, decoded_by, opened, the_files, written


def test_half_written_files_of_a_process_that_was_killed_are_cleared_away(photos_root, monkeypatch):
    import segnet.data.pixel_file as pixel_file

    def killed(*paths):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(pixel_file.os, "replace", killed)
        patched.setattr(pixel_file.os, "unlink", lambda path: None)
        with pytest.raises(SystemExit):
            opened(photos_root)
    assert len(written(photos_root)) == 1
    assert decoded_by(photos_root) == 4
    assert len(written(photos_root)) == 2
    the_files(photos_root)


def test_a_reader_keeps_the_array_that_is_replaced(photos_root):
    reader = opened(photos_root)
    before = [reader.load(index, RANDOM) for index in range(3)]
    path = photos_root / "trainannot" / "0.png"
    Image.fromarray(np.full((6, 8), 5, np.uint8)).save(path)
    assert decoded_by(photos_root) == 4
    for index, sample in enumerate(before):
        assert all(np.array_equal(*pair) for pair in zip(reader.load(index, RANDOM), sample, strict=True))


def test_where_the_file_system_has_no_locks_files_are_written_all_the_same(photos_root, monkeypatch):
    def acquire(lock):
        raise NotImplementedError

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    assert decoded_by(photos_root) == 4
    assert decoded_by(photos_root) == 0
    the_files(photos_root)


@pytest.mark.parametrize("blocked", ["file", "permission"])
def test_a_read_only_data_folder_leaves_the_users_cache_folder(photos_root, blocked, tmp_path, monkeypatch):
    if blocked == "file":
        (photos_root / FOLDER).write_text("in the way")
    else:
        make = Path.mkdir

        def mkdir(path, *args, **kwargs):
            if photos_root in path.parents:
                raise PermissionError(13, "Permission denied", str(path))
            make(path, *args, **kwargs)

        monkeypatch.setattr(Path, "mkdir", mkdir)
    assert decoded_by(photos_root) == 4
    assert decoded_by(photos_root) == 0
    assert {path.name[:12] for path in (tmp_path / "xdg" / "segnet").iterdir()} == {"Photos-train"}


def test_a_place_of_ones_own(photos_root, tmp_path):
    assert decoded_by(photos_root, folder=tmp_path / "mine") == 4
    assert decoded_by(photos_root, folder=tmp_path / "mine") == 0
    assert not (photos_root / FOLDER).exists()


def test_with_no_place_to_write_each_epoch_decodes(photos_root, tmp_path, caplog):
    (tmp_path / "mine").write_text("in the way")
    assert decoded_by(photos_root, folder=tmp_path / "mine") == 4
    assert "could not be written to" in caplog.text
    assert "data.cache_dir=FOLDER names another place" in caplog.text


def test_what_is_larger_than_the_budget_is_decoded_each_time(photos_root, caplog):
    caplog.set_level(logging.INFO, "segnet")
    assert decoded_by(photos_root, budget=500) == 4
    assert "more than data.cache_budget_gib" in caplog.text
    assert not (photos_root / FOLDER).exists()
    # Three of the first one's size would fit, and the second one is larger: found out while writing, to two places.
    assert decoded_by(photos_root, budget=600) == 1 + 3 + 3 + 3
    assert written(photos_root) == []


def test_a_broken_image_is_named_and_leaves_nothing(photos_root):
    (photos_root / "train" / "2.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"cannot read the image .*train/2.png"):
        opened(photos_root)
    assert written(photos_root) == []


def test_what_is_not_in_bytes_is_refused(photos_root, monkeypatch):
    monkeypatch.setattr(Photos, "load", lambda self, index, random: (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8)))
    with pytest.raises(UserError, match=r"0.png of Photos is an image \(4, 4, 3\) float64 .*: load\(\) must return"):
        opened(photos_root)


def test_sets_that_are_drawn_and_a_budget_of_nothing_stay_as_they_are(photos_root):
    shapes = data_from_config(compose(["data=shapes"])).split("train")
    assert decode_once(shapes, "train", BUDGET) is shapes
    assert not isinstance(shapes, CachedDataset)
    photos = Photos("train", photos_root)
    assert decode_once(photos, "train", 0) is photos


def test_it_travels_to_other_processes(photos_root):
    again = pickle.loads(pickle.dumps(opened(photos_root)))
    before = Photos.decoded
    check(again, photos_root)
    assert Photos.decoded == before


def open_together(photos_root: Path, barrier, results) -> None:
    acquire = filelock.FileLock.acquire

    def acquire_together(lock):
        barrier.wait(60)  # all have found that there is no file, and none has the lock
        return acquire(lock)

    filelock.FileLock.acquire = acquire_together
    check(CachedDataset(Photos("train", photos_root), "train", BUDGET), photos_root)
    results.put(Photos.decoded)


def test_of_several_processes_at_once_one_decodes(photos_root):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    workers = [context.Process(target=open_together, args=(photos_root, barrier, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    counts = sorted(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert counts == [1, 1, 4]  # each decodes the first sample, to know how much it will be
    the_files(photos_root)


def test_the_module_reads_the_same_batches_with_and_without(photos_root):
    overrides = ["data=camvid", f"data.root={photos_root}", "data.batch_size=3", "data.num_workers=0"]
    overrides += ["data.augmentation.crop=[6,6]", "data.augmentation.rotation=30"]
    plain, cached = (
        list(data_from_config(compose([*overrides, f"data.cache_budget_gib={budget}"])).training_batches(3))
        for budget in (0, 4)
    )
    assert (photos_root / FOLDER).is_dir()
    assert len(plain) == len(cached) == 1
    for name in ("image", "label", "index"):
        assert torch.equal(plain[0][name], cached[0][name])
