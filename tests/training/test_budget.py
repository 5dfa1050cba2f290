"""A budget of minutes becomes a number of epochs, and the training is that of this number."""

import re
from types import SimpleNamespace

import pytest

from segnet.build import data_from_config, task_from_config
from segnet.cli.train import _refuse_two_answers
from segnet.config import load_config
from segnet.errors import UserError
from segnet.training.budget import Epoch, Speed, affordable_epochs, measure, seconds_of
from segnet.training.run import build_module, train
from segnet.training.trainer import without_hints
from tests.training.test_resuming import SIX_BATCHES, assert_same_run, resume_after_kill


@pytest.fixture(autouse=True)
def _without_scores(monkeypatch):
    monkeypatch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
    monkeypatch.setattr("segnet.training.finish.count_macs", lambda *_: 0)


@pytest.fixture
def speed(monkeypatch):
    """Let each batch of training and validation have taken a second."""
    monkeypatch.setattr("segnet.training.budget.measure", lambda *_: Speed(1.0, 1.0))


def test_the_time_left_after_the_last_scoring_is_shared_by_whole_epochs():
    speed, epoch = Speed(train=0.5, val=0.25), Epoch(batches=20, val_batches=8, test_batches=16)
    assert seconds_of(speed, epoch) == 10 + 2
    # Scoring takes 2 * 0.25 * 24 = 12 s; of the rest 5% are kept.
    assert affordable_epochs(132, speed, epoch) == 9
    assert affordable_epochs(12, speed, epoch) == affordable_epochs(-1, speed, epoch) == 0


def test_the_last_epoch_is_one_that_is_validated():
    speed, epoch = Speed(train=1, val=1), Epoch(batches=10, val_batches=8, test_batches=0, validates_every=4)
    assert seconds_of(speed, epoch) == 12
    assert [affordable_epochs(seconds, speed, epoch) for seconds in (60, 100, 130)] == [0, 4, 8]


@pytest.mark.slow
def test_the_run_is_one_with_that_number_of_epochs_and_says_so(tiny_config, tmp_path, monkeypatch, caplog):
    """Steps are really timed here, and leave nothing behind."""
    monkeypatch.setattr("segnet.training.budget.SHORTEST", 0.05)
    monkeypatch.setattr("segnet.training.budget.affordable_epochs", lambda *_: 2)
    caplog.set_level("INFO")
    plain = tiny_config(*SIX_BATCHES, "scheduler=one_cycle")
    train(plain.copy(), tmp_path / "plain")
    train(tiny_config(*SIX_BATCHES, "trainer.max_epochs=50", "budget_minutes=3"), tmp_path / "budget")
    assert_same_run(tmp_path / "plain", tmp_path / "budget")
    assert re.search(r"budget_minutes=3: a step takes [\d.e-]+ s, an epoch [\d.]+ s; this makes 2 epochs", caplog.text)
    stored = load_config(tmp_path / "budget")
    assert (stored.epochs, stored.trainer.max_epochs, stored.budget_minutes) == (2, 2, None)
    train(stored, tmp_path / "again")
    assert_same_run(tmp_path / "plain", tmp_path / "again")


def test_a_run_that_was_killed_resumes_with_the_number_that_was_chosen(tiny_config, tmp_path, speed):
    # An epoch takes 6 + 1 s, and the last scoring 2 * (1 + 1).
    config = tiny_config(*SIX_BATCHES, "budget_minutes=0.4", "data.verify=false", "checkpoint.every_n_steps=2")
    resume_after_kill(config, tmp_path / "killed", 1, 5)
    assert load_config(tmp_path / "killed").trainer.max_epochs == 2
    train(tiny_config(*SIX_BATCHES, "checkpoint.every_n_steps=2"), tmp_path / "plain")
    assert_same_run(tmp_path / "plain", tmp_path / "killed")


def test_what_is_measured_is_a_time_for_each_batch(tiny_config, monkeypatch):
    clock = iter(float(2**power) for power in range(3, 20))
    monkeypatch.setattr("segnet.training.budget.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    config = tiny_config("data.images={train:8,val:9,test:4}", "data.eval_batch_size=2")
    with without_hints():
        found = measure(config, task_from_config(config), data_from_config(config), build_module, 60.0, lambda: None)
    # Read after the warm-up (8), after 5 batches (16), after the last, which is the fifth, and after validation.
    assert found == Speed(train=(32 - 8) / 5, val=(64 - 32) / 5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["budget_minutes=0"], r"^budget_minutes=0 is not allowed: give a number above 0, or null"),
        (["budget_minutes=soon"], r"^budget_minutes=soon is not allowed: give a number above 0, or null"),
        (
            ["budget_minutes=0.1"],
            r"^budget_minutes=0\.1 is not enough for one epoch: an epoch takes 7 s here, and \d s",
        ),
        (
            ["budget_minutes=0.3", "trainer.max_epochs=8", "trainer.check_val_every_n_epoch=4"],
            r"not enough for 4 epochs with the validation after them: .* or set trainer\.check_val_every_n_epoch=1",
        ),
        (
            ["budget_minutes=9", "data.progression={0:0.5,1:1.0}"],
            r"^budget_minutes=9 cannot choose the number of epochs under data\.progression",
        ),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(tiny_config, tmp_path, speed, overrides, message):
    with pytest.raises(UserError, match=message):
        train(tiny_config(*SIX_BATCHES, *overrides), tmp_path)


def test_two_lengths_are_refused(tiny_config):
    config = tiny_config("budget_minutes=9")
    _refuse_two_answers(config, ["budget_minutes=9"])
    with pytest.raises(UserError, match=r"^epochs=3 and budget_minutes=9 each say how long: choose one"):
        _refuse_two_answers(config, ["budget_minutes=9", "epochs=3"])
