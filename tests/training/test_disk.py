"""A training whose disk fails: a sentence, the last good checkpoint, and nothing left beside."""

import errno
import json
import os
import resource
import shutil

import pytest

from segnet.checkpoint_file import read_checkpoint
from segnet.config import load_config
from segnet.errors import UserError
from segnet.training.callbacks import History
from segnet.training.run import train


def in_epoch_1(monkeypatch, act):
    start = History.on_train_epoch_start

    def watched(self, trainer, module):
        if trainer.current_epoch == 1:
            act()
        start(self, trainer, module)

    monkeypatch.setattr(History, "on_train_epoch_start", watched)


def test_a_file_size_limit_in_the_middle_of_a_training(tiny_config, tmp_path, monkeypatch):
    run_dir = tmp_path / "run"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        in_epoch_1(patch, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1])))
        try:
            with pytest.raises(
                UserError, match=r"best\.ckpt could not|last\.ckpt could not be written \(File too large"
            ):
                train(tiny_config("logger=tensorboard"), run_dir)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_checkpoint(run_dir / "checkpoints" / "last.ckpt")["epoch"] == 0
    assert not list(run_dir.rglob("*.part"))
    assert json.loads((run_dir / "metrics.json").read_text())["status"] == "failed"
    assert train(load_config(run_dir), run_dir, resume=True)["status"] == "completed"
    assert sorted(path.name for path in (run_dir / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_run_folder_that_vanishes_is_not_made_again(tiny_config, tmp_path, monkeypatch):
    run_dir = tmp_path / "run"
    in_epoch_1(monkeypatch, lambda: shutil.rmtree(run_dir))
    with pytest.raises(UserError, match=r"history\.csv could not be written: No such file or directory"):
        train(tiny_config(), run_dir)
    assert not run_dir.exists()


def test_a_full_disk_anywhere_is_a_sentence(tiny_config, tmp_path, monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "events.out")

    in_epoch_1(monkeypatch, full)
    message = r"could not write to events\.out \(No space left on device\): make room, then continue with segnet"
    with pytest.raises(UserError, match=message):
        train(tiny_config(), tmp_path / "run")
