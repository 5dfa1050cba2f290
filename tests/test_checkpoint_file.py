"""Checkpoints are whole, or the damage is named."""

import contextlib
import errno
import os
import resource

import numpy as np
import pytest
import torch

from segnet.checkpoint_file import find_resumable, read_checkpoint, verify_checkpoint, write_checkpoint
from segnet.errors import UserError


def content(value: float) -> dict:
    return {"state_dict": {"network.weight": torch.full((50, 40), value)}, "epoch": int(value)}


@pytest.fixture
def last(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / "last.ckpt"
    write_checkpoint(content(1), path)
    return path


def files(path):
    return sorted(other.name for other in path.parent.iterdir())


def test_a_checkpoint_is_read_as_it_was_written_by_torch_too(last):
    for read in (read_checkpoint(last), torch.load(last, weights_only=True)):
        assert torch.equal(read["state_dict"]["network.weight"], torch.ones(50, 40))
    assert files(last) == ["last.ckpt"]


def test_the_last_but_one_is_kept(last):
    write_checkpoint(content(2), last)
    write_checkpoint(content(3), last)
    assert files(last) == ["last.ckpt", "previous.ckpt"]
    assert [read_checkpoint(last.with_stem(name))["epoch"] for name in ("last", "previous")] == [3, 2]


@pytest.mark.parametrize("old", [False, True], ids=["with a checksum", "of an older version"])
def test_every_bit_counts(last, old):
    if old:
        torch.save(content(1), last)
    verify_checkpoint(last)
    whole = last.read_bytes()
    random = np.random.default_rng(0)
    places = [*range(8 * 4), *range(8 * (len(whole) - 200), 8 * len(whole), 7)] if not old else []
    for place in [*places, *random.integers(0, 8 * len(whole), 150).tolist()]:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        last.write_bytes(damaged)
        if old:  # a zip file has checksums of what its members hold, not of everything around them
            with contextlib.suppress(UserError):
                assert torch.equal(read_checkpoint(last)["state_dict"]["network.weight"], torch.ones(50, 40))
        else:
            with pytest.raises(UserError, match=r"last\.ckpt is damaged: copy the run again, or train again"):
                verify_checkpoint(last)


@pytest.mark.parametrize("length", [0, 1, 30, 500, -300, -81, -2, -1])
def test_a_truncated_checkpoint_is_named(last, length):
    last.write_bytes(last.read_bytes()[:length])
    with pytest.raises(UserError, match=r"last\.ckpt is damaged"):
        read_checkpoint(last)


def test_text_in_place_of_a_checkpoint_is_named(last):
    last.write_text("not a checkpoint\n" * 100)
    with pytest.raises(UserError, match=r"last\.ckpt is damaged"):
        read_checkpoint(last)


def test_what_would_be_executed_is_not_loaded_and_nobody_is_told_how(last):
    class Harmful:
        def __reduce__(self):
            return print, ("executed",)

    torch.save({"state_dict": {}, "harm": Harmful()}, last)
    with pytest.raises(UserError, match="holds more than tensors and plain values, and is not loaded") as caught:
        read_checkpoint(last)
    assert "weights_only" not in str(caught.value)


def test_a_file_without_weights_is_no_checkpoint(last):
    torch.save([1, 2], last)
    with pytest.raises(UserError, match="is no checkpoint of a training: it has no state_dict"):
        read_checkpoint(last)


def test_resuming_takes_the_one_before_a_damaged_one(last):
    run_dir = last.parent.parent
    write_checkpoint(content(2), last)
    assert find_resumable(run_dir) == (last, [])
    last.write_bytes(b"")
    path, problems = find_resumable(run_dir)
    assert path == last.with_stem("previous")
    assert problems == [f"{last} is damaged: copy the run again, or use previous.ckpt of the same run"]
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"last\.ckpt is damaged"):
        find_resumable(run_dir)


def assert_refused_and_whole(path, message):
    with pytest.raises(UserError, match=message):
        write_checkpoint(content(2), path)
    assert files(path) == ["last.ckpt"]
    assert read_checkpoint(path)["epoch"] == 1


def test_a_file_size_limit_leaves_the_last_good_one(last):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        assert_refused_and_whole(last, r"could not be written \(File too large\); the checkpoint before it is whole")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_the_last_good_one(last, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    message = r"No space left on device\); .*: make room, then continue with segnet-train resume=/"
    assert_refused_and_whole(last, message)


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(UserError, match=r"the folder .*gone is gone; start again in another run_dir"):
        write_checkpoint(content(1), tmp_path / "gone" / "checkpoints" / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links_keeps_no_previous_one(last, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_checkpoint(content(2), last)
    assert files(last) == ["last.ckpt"]
    assert read_checkpoint(last)["epoch"] == 2
