"""Two processes train what one trains, from labels of which each holds another number that count."""

import csv
import json
import os
import signal
import time
from functools import partial

import pytest
import torch

from scripts.forked import finish, start
from segnet.config import compose, load_config
from segnet.layers.convolution import BatchNorm, normalise_by_running
from segnet.training.callbacks import History
from segnet.training.changes import with_changes
from segnet.training.run import train

SETTINGS = (
    "data.images={train:13,val:5,test:4}",
    "data.augmentation.scale=[0.4,1.0]",  # what is outside the image is ignored
    "data.eval_batch_size=2",
    "optimizer=sgd",
    "optimizer.fused=false",
    "optimizer.lr=0.1",
    "trainer.max_epochs=2",
)
DDP = ("trainer=ddp", "trainer.accelerator=cpu")


@pytest.fixture(autouse=True)
def _same_whatever_the_share(monkeypatch):
    """Leave out the scores, and batch norms, which normalise by the images of a process."""
    monkeypatch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
    monkeypatch.setattr("segnet.training.finish.count_macs", lambda *_: 0)
    monkeypatch.setattr(BatchNorm, "forward", normalise_by_running)


@pytest.fixture
def run(tiny_config, tmp_path):
    """Train in some processes, and return the folder."""

    def trained(name, *settings, processes=1):
        together = (*DDP, f"trainer.devices={processes}") if processes > 1 else ()
        work = partial(train, tiny_config(*SETTINGS, *together, *settings), tmp_path / name)
        output = tmp_path / f"{name}.txt"
        codes = finish(start(work, processes, output))
        assert codes == [0] * processes, output.read_text()
        assert "sync_dist" not in output.read_text()
        return tmp_path / name

    return trained


def history(folder):
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def weights(folder, name="last"):
    return torch.load(folder / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]


def assert_close(one, two):
    for found, expected in zip(history(two), history(one), strict=True):
        for name in ("train/loss", "val/loss", "val/miou", "val/boundary_f1"):
            assert float(found[name]) == pytest.approx(float(expected[name]), rel=2e-5), name
    for name, value in weights(one).items():
        torch.testing.assert_close(weights(two)[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        ("data.batch_size=4", "trainer.max_epochs=1"),
        pytest.param(("data.batch_size=2", "+trainer.accumulate_grad_batches=2"), marks=pytest.mark.slow),
        pytest.param(("data.batch_size=4", "loss=dice", "loss.per_image=true"), marks=pytest.mark.slow),
        pytest.param(("data.batch_size=4", "task=super_resolution", "task.factor=2"), marks=pytest.mark.slow),
    ],
)
def test_two_processes_train_what_one_trains(run, settings):
    one, two = run("one", *settings), run("two", *settings, processes=2)
    if "task=super_resolution" in settings:
        assert float(history(two)[-1]["val/loss"]) == pytest.approx(float(history(one)[-1]["val/loss"]), rel=2e-5)
    else:
        assert_close(one, two)


RESUMED = ("data.batch_size=4", "checkpoint.every_n_steps=2", "optimizer=adamw")


def stop_at(monkeypatch, rank, epoch, batch, number):
    """Have one process send itself a signal in the middle of an epoch."""
    ended = History.on_train_batch_end

    def then_sent(self, trainer, module, *arguments):
        ended(self, trainer, module, *arguments)
        place = (trainer.global_rank, trainer.current_epoch, trainer.fit_loop.batch_idx)
        if place == (rank, epoch, batch):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(History, "on_train_batch_end", then_sent)


def interrupt(tiny_config, tmp_path, monkeypatch, processes, number=signal.SIGTERM):
    """Train with a signal to the last process in the second epoch; return the folder, codes and seconds."""
    folder, output = tmp_path / "interrupted", tmp_path / "interrupted.txt"
    together = (*DDP, f"trainer.devices={processes}") if processes > 1 else ()
    with monkeypatch.context() as patch:
        stop_at(patch, processes - 1, 1, 1, number)
        started = start(partial(train, tiny_config(*SETTINGS, *together, *RESUMED), folder), processes, output)
        started[-1].join(60)
        stopped = time.monotonic()
        codes = finish(started, 30)
    return folder, codes, time.monotonic() - stopped


def resume(folder, processes=1, *overrides):
    overrides = (*overrides, f"trainer.devices={processes}")
    changed = with_changes(load_config(folder), compose(overrides), overrides, folder)
    output = folder.with_suffix(".resumed.txt")
    assert finish(start(partial(train, changed, folder, resume=True), processes, output)) == [0] * processes


def assert_same_bits(one, two):
    for name in ("best", "last"):
        for key, value in weights(one, name).items():
            assert torch.equal(value, weights(two, name)[key]), (name, key)
    rows = [[{**row, "seconds": 0} for row in history(folder)] for folder in (one, two)]
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_a_process_that_dies_ends_the_others_and_the_run_resumes_with_the_same_bits(
    run, tiny_config, tmp_path, monkeypatch
):
    folder, codes, seconds = interrupt(tiny_config, tmp_path, monkeypatch, 2, signal.SIGKILL)
    assert codes == [1, -signal.SIGKILL]
    assert seconds < 20
    assert json.loads((folder / "metrics.json").read_text())["status"] == "failed"
    resume(folder, 2)
    assert_same_bits(run("whole", *RESUMED, processes=2), folder)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 1), (2, 4)])
def test_a_signal_to_one_process_ends_all_with_a_checkpoint(run, tiny_config, tmp_path, monkeypatch, before, after):
    folder, codes, _ = interrupt(tiny_config, tmp_path, monkeypatch, before)
    assert codes == [143] * before
    assert json.loads((folder / "metrics.json").read_text())["status"] == "interrupted"
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 5
    resume(folder, after)
    whole = run("whole", *RESUMED, processes=before)
    assert_close(whole, folder) if before != after else assert_same_bits(whole, folder)


@pytest.mark.slow
def test_a_run_of_one_process_continues_with_two(run, tiny_config, tmp_path, monkeypatch):
    folder, codes, _ = interrupt(tiny_config, tmp_path, monkeypatch, 1)
    assert codes == [143]
    resume(folder, 2)
    assert_close(run("whole", *RESUMED), folder)
