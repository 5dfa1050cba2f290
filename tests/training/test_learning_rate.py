"""find_lr=true: a trial at growing learning rates says which one the training takes."""

import csv
import math

import pytest

from segnet.cli.train import _refuse_two_answers
from segnet.config import load_config
from segnet.errors import UserError
from segnet.training.learning_rate import (
    HIGHEST,
    LEARNING_RATES,
    LOWEST,
    PICTURE,
    REACH,
    STEPS,
    RateGrowth,
    rate_of_step,
    smoothed,
    steepest_fall,
)
from segnet.training.run import train
from tests.training.test_resuming import SIX_BATCHES, assert_same_run


@pytest.fixture(autouse=True)
def _without_scores(monkeypatch):
    monkeypatch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
    monkeypatch.setattr("segnet.training.finish.count_macs", lambda *_: 0)


def rows_of(folder):
    return list(csv.DictReader((folder / LEARNING_RATES).read_text().splitlines()))


def test_rates_grow_by_equal_factors():
    assert rate_of_step(0) == LOWEST
    assert rate_of_step(STEPS - 1) == pytest.approx(HIGHEST)
    assert rate_of_step(7) / rate_of_step(6) == pytest.approx(rate_of_step(71) / rate_of_step(70))


def test_the_curve_is_the_mean_of_each_loss_and_its_neighbours():
    assert smoothed([2.0]) == [2.0]
    assert smoothed([2.0, 1.0]) == [2.0, 1.0]
    assert smoothed([6.0, 3.0, 0.0, 3.0, 0.0]) == [6.0, 3.0, 12 / 5, 1.0, 0.0]
    falling = [float(20 - step) for step in range(20)]
    assert smoothed(falling) == pytest.approx(falling)  # it does not lag


def test_the_place_is_where_the_curve_falls_most():
    ends = [9.0] * REACH  # which do not count
    assert steepest_fall([*ends, 5.0, 4.9, 4.0, 3.8, 9.0, *ends]) == REACH + 2
    assert steepest_fall([*ends, 5.0, 4.0, math.inf, math.inf, *ends]) == REACH + 1
    assert steepest_fall([*ends, 1.0, 1.0, 2.0, *ends]) is None
    assert steepest_fall([3.0, 2.0, 1.0]) is None


def test_the_run_is_one_with_the_rate_that_was_found(tiny_config, tmp_path, caplog):
    caplog.set_level("INFO")
    train(tiny_config(*SIX_BATCHES, "find_lr=true"), tmp_path / "found")
    stored = load_config(tmp_path / "found")
    assert stored.find_lr is False
    assert f"the loss falls fastest at optimizer.lr={stored.optimizer.lr:g}" in caplog.text
    rows = rows_of(tmp_path / "found")
    curve = [float(row["smoothed"]) for row in rows]
    assert stored.optimizer.lr == float(f"{float(rows[steepest_fall(curve)]['lr']):.2g}")
    assert [float(row["lr"]) for row in rows] == [rate_of_step(step) for step in range(len(rows))]
    assert (tmp_path / "found" / PICTURE).read_bytes().startswith(b"\x89PNG")
    train(tiny_config(*SIX_BATCHES, f"optimizer.lr={stored.optimizer.lr}"), tmp_path / "given")
    assert_same_run(tmp_path / "given", tmp_path / "found")


@pytest.mark.slow
def test_a_step_of_several_batches_counts_once(tiny_config, tmp_path):
    train(tiny_config(*SIX_BATCHES, "find_lr=true", "+trainer.accumulate_grad_batches=2"), tmp_path)
    rows = rows_of(tmp_path)
    assert 10 < len(rows) <= STEPS
    assert float(rows[-1]["lr"]) == rate_of_step(len(rows) - 1)


@pytest.mark.slow
def test_parts_with_a_factor_keep_it(tiny_config, tmp_path, monkeypatch):
    seen = []
    start = RateGrowth.on_train_batch_start

    def noted(self, trainer, *rest):
        start(self, trainer, *rest)
        seen.append([group["lr"] for group in trainer.optimizers[0].param_groups])

    monkeypatch.setattr(RateGrowth, "on_train_batch_start", noted)
    train(tiny_config(*SIX_BATCHES, "find_lr=true", "lr_of={encoder:0.1}"), tmp_path)
    assert [max(rates) for rates in seen] == [rate_of_step(step) for step in range(len(seen))]
    assert [min(rates) / max(rates) for rates in seen] == pytest.approx([0.1] * len(seen))


def test_where_no_rate_helps_a_sentence_says_so(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr("segnet.training.learning_rate.steepest_fall", lambda curve: None)
    with pytest.raises(UserError, match=r"^find_lr=true found no learning rate from 1e-06 to 1 at which the loss"):
        train(tiny_config(*SIX_BATCHES, "find_lr=true"), tmp_path)
    assert rows_of(tmp_path)


def test_two_rates_are_refused(tiny_config):
    with pytest.raises(UserError, match=r"^optimizer\.lr=0\.1 and find_lr=true each give a learning rate: choose one"):
        _refuse_two_answers(tiny_config("find_lr=true"), ["optimizer.lr=0.1", "find_lr=true"])
    with pytest.raises(UserError, match=r"^find_lr=maybe is not allowed: choose true or false"):
        train(tiny_config("find_lr=maybe"), None)
