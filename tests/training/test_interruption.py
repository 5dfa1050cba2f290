"""What a signal does to a training; what is in a resumed one is in test_resuming."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from segnet.config import load_config
from segnet.training.callbacks import History
from segnet.training.run import train

FOUR_STEPS = ("data.batch_size=2", "trainer.max_epochs=2")


@pytest.fixture(autouse=True)
def _without_scores(monkeypatch):
    monkeypatch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
    monkeypatch.setattr("segnet.training.finish.count_macs", lambda *_: 0)


@pytest.fixture(autouse=True)
def _not_ignored():
    """A shell that starts the tests in the background has them ignore SIGINT, and nohup SIGHUP."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int, hook: str, epoch: int, monkeypatch) -> None:
    """Have the training send itself a signal in a hook of an epoch, each time it comes there."""
    called = getattr(History, hook)

    def then_sent(self, trainer, *arguments):
        called(self, trainer, *arguments)
        if trainer.current_epoch == epoch and trainer.fit_loop.batch_idx >= 1:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(History, hook, then_sent)


def assert_interrupted(folder, config, code: int, caplog, where: str) -> None:
    with pytest.raises(SystemExit) as stop:
        train(config, folder)
    assert stop.value.code == code
    assert json.loads((folder / "metrics.json").read_text())["status"] == "interrupted"
    assert f"interrupted {where}; resume with: segnet-train 'resume={folder}'" in caplog.text


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_a_signal_ends_a_training_after_its_step(tiny_config, tmp_path, monkeypatch, caplog, name, code):
    folder, number = tmp_path / "a run", getattr(signal, name)
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        send(number, "on_train_batch_end", 1, patch)
        assert_interrupted(folder, tiny_config(*FOUR_STEPS), code, caplog, "after epoch 1 of 2")
    assert signal.getsignal(number) == before
    checkpoint = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6  # two steps of the second epoch
    if name == "SIGTERM":
        train(load_config(folder), folder, resume=True)
        whole = tmp_path / "whole"
        train(tiny_config(*FOUR_STEPS), whole)
        states = [torch.load(d / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for d in (folder, whole)]
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_a_signal_in_validation_waits_for_the_checkpoint_of_the_epoch(tiny_config, tmp_path, monkeypatch, caplog):
    folder = tmp_path / "a run"
    send(signal.SIGTERM, "on_validation_epoch_end", 0, monkeypatch)
    assert_interrupted(folder, tiny_config(*FOUR_STEPS), 143, caplog, "after epoch 1 of 2")
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 4
    assert len((folder / "history.csv").read_text().splitlines()) == 2


def test_a_training_ends_when_its_time_is_over(tiny_config, tmp_path, caplog):
    folder = tmp_path / "a run"
    config = tiny_config(*FOUR_STEPS, "+trainer.max_time={seconds:0}")
    assert_interrupted(folder, config, 124, caplog, "in the first of 2 epochs")
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 1


def test_a_signal_before_the_training_ends_it_at_once(tiny_config, tmp_path, monkeypatch, caplog):
    folder = tmp_path / "a run"
    with monkeypatch.context() as patch:
        patch.setattr("segnet.training.run.task_from_config", lambda _: os.kill(os.getpid(), signal.SIGTERM))
        assert_interrupted(folder, tiny_config(*FOUR_STEPS), 143, caplog, "in the first of 2 epochs")
    assert not (folder / "checkpoints").exists()


def test_a_signal_that_nohup_has_switched_off_stays_off(tiny_config, tmp_path, monkeypatch):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    send(signal.SIGHUP, "on_train_batch_end", 0, monkeypatch)
    assert train(tiny_config("data.batch_size=2", "trainer.max_epochs=1"), tmp_path)["status"] == "completed"


def test_a_run_that_failed_before_its_first_checkpoint_does_not_block_its_folder(tiny_config, tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_train_epoch_start", fails)
        with pytest.raises(RuntimeError, match="out of memory"):
            train(tiny_config("trainer.max_epochs=1"), tmp_path)
    assert (tmp_path / "config.yaml").exists()
    assert train(tiny_config("trainer.max_epochs=1"), tmp_path)["status"] == "completed"


@pytest.mark.slow
def test_the_command_exits_as_a_scheduler_expects(tmp_path):
    command = [sys.executable, "-m", "segnet.cli.train", "data=shapes", "data.size=[16,24]", "logger=none"]
    settings = [
        "trainer=cpu",
        "encoder.widths=[4,8]",
        "encoder.depths=[1,1]",
        f"run_dir={tmp_path / 'run'}",
        "epochs=500",
    ]
    with subprocess.Popen([*command, *settings], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch   1/"):
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stdout.read()
    assert process.returncode == 143
    assert "of 500; resume with: segnet-train resume=" in rest
