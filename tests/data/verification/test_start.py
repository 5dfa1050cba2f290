"""What every training does first: its data set is verified once, and again where a file changes."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segnet.build import data_from_config, task_from_config
from segnet.config import compose
from segnet.data.verification import start, verify_once
from segnet.errors import UserError
from segnet.tasks.segmentation.task import Segmentation


def picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((32, 24), Image.Resampling.BICUBIC))


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for number in range(8):
        for folder in ("images", "masks"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        mask = np.zeros((24, 32 if number else 30), np.uint8)
        mask[2:9, number : number + 9] = 1
        Image.fromarray(picture(number)[:, : mask.shape[1]]).save(root / "images" / f"{number}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


def module(root: Path, *overrides: str):
    return data_from_config(compose(["data=folder", f"data.root={root}", "data.num_workers=0", *overrides]))


@pytest.fixture
def readings(monkeypatch):
    """Count how often a data set is read."""
    calls = []
    read = start.read_splits
    monkeypatch.setattr(start, "read_splits", lambda *given: calls.append(1) or read(*given))
    return calls


def test_a_second_start_reads_nothing_and_knows_the_same(photos, readings, monkeypatch):
    first, second = module(photos), module(photos)
    assert verify_once(first) == []
    expected = {split: (first.pixel_counts(split), first.sizes(split)) for split in ("train", "val", "test")}
    monkeypatch.setattr("segnet.data.cache.CachedDataset.load", None)
    assert verify_once(second) == []
    second.check()
    assert len(readings) == 1
    for split, (pixels, sizes) in expected.items():
        assert second.pixel_counts(split).equal(pixels)
        assert second.sizes(split) == sizes


def test_what_is_kept_is_what_the_check_counts(photos):
    verified, checked = module(photos), module(photos)
    verify_once(verified)
    for split in ("train", "val", "test"):
        assert verified.pixel_counts(split).equal(checked.pixel_counts(split))
        assert sorted(verified.sizes(split)) == sorted(checked.sizes(split))


@pytest.mark.parametrize("cache", ["data.cache_budget_gib=4", "data.cache_budget_gib=0"])
def test_a_changed_file_a_setting_and_a_damaged_record_are_verified_again(photos, readings, cache):
    verify_once(module(photos, cache))
    Image.fromarray(picture(77)).save(photos / "images/3.png")
    verify_once(module(photos, cache))
    assert len(readings) == 2
    verify_once(module(photos, cache, "data.ignore_index=254"))
    assert len(readings) == 3
    (record,) = (photos / "images").parent.rglob("verified-*.npz")
    record.write_bytes(record.read_bytes()[:100])
    verify_once(module(photos, cache, "data.ignore_index=254"))
    assert len(readings) == 4
    verify_once(module(photos, cache, "data.ignore_index=254"))
    assert len(readings) == 4


def test_errors_stop_a_training_at_every_start_with_the_command_that_lists_them(photos, readings):
    verify_once(module(photos))
    (photos / "images/3.png").write_bytes(b"no image")
    (photos / "images/5.png").write_bytes(b"no image")
    for _ in range(2):
        with pytest.raises(
            UserError,
            match=r"the data set has 2 errors, and segnet-data verify, with the same data=\.\.\., lists all that is "
            r"wrong \(data\.verify=false trains without asking\); the first: unreadable: cannot read .*3\.png",
        ):
            Segmentation().check(module(photos), 1)
    assert len(readings) == 2


def test_leakage_stops_a_training_unless_it_is_switched_off(photos):
    data = module(photos)
    ids = {split: data.split(split).ids[0] for split in ("train", "test")}
    (photos / ids["test"]).write_bytes((photos / ids["train"]).read_bytes())
    (photos / ids["test"].replace("images", "masks")).write_bytes(
        (photos / ids["train"].replace("images", "masks")).read_bytes()
    )
    with pytest.raises(UserError, match=r"the data set has 1 error, .* same image in two splits: pixel for pixel"):
        Segmentation().check(module(photos), 1)
    Segmentation().check(module(photos, "data.verify=false"), 1)


def test_warnings_are_said_by_kind(photos, caplog):
    (photos / "images/3.png").write_bytes((photos / "images/4.png").read_bytes())
    (photos / "dataset.yaml").write_text("splits: {val: val.txt, test: test.txt}")
    (photos / "val.txt").write_text("0")
    (photos / "test.txt").write_text("1")
    with caplog.at_level(logging.WARNING):
        Segmentation().check(module(photos), 1)
    assert (
        "the data set has 1 warning: same image twice; segnet-data verify, with the same data=..., lists" in caplog.text
    )


def test_where_nothing_can_be_written_each_start_verifies(photos, readings, monkeypatch, caplog, tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    for _ in range(2):
        data = module(photos, f"data.cache_dir={blocked / 'cache'}", "data.cache_budget_gib=0")
        assert verify_once(data) == []
    assert len(readings) == 2
    assert "can be kept nowhere" in caplog.text


def test_generated_sets_and_other_tasks_are_not_read(readings):
    assert verify_once(data_from_config(compose(["data=shapes"]))) == []
    config = compose(["data=shapes", "task=super_resolution", "data.batch_size=2"])
    task_from_config(config).check(data_from_config(config), 1)
    assert readings == []
