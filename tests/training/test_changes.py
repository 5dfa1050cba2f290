import csv

import pytest
import torch

from segnet.config import compose, load_config
from segnet.errors import UserError
from segnet.training.changes import with_changes
from segnet.training.run import train
from segnet.training.schedules import follow, poly


@pytest.fixture(scope="module")
def run(tiny_config, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
        train(tiny_config("scheduler=poly", "scheduler.power=1.0"), run_dir)
    return run_dir


def changed(run_dir, *overrides):
    return with_changes(load_config(run_dir), compose(overrides), overrides, run_dir)


def test_harmless_settings_are_taken(run):
    config = changed(
        run,
        *("data.num_workers=2", "data.eval_batch_size=3", "trainer.devices=2", "logger=tensorboard"),
        *("checkpoint.every_n_steps=7", "+trainer.max_time=00:01:00:00", "callbacks.progress_bar=null"),
    )
    assert (config.data.num_workers, config.data.eval_batch_size, config.trainer.devices) == (2, 3, 2)
    assert config.logger.tensorboard._target_ == "pytorch_lightning.loggers.TensorBoardLogger"
    assert config.checkpoint.every_n_steps == config.callbacks.last_checkpoint.every_n_steps == 7
    assert config.trainer.max_time == "00:01:00:00"
    assert config.callbacks.progress_bar is None
    assert config.data.size == load_config(run).data.size


@pytest.mark.parametrize(
    "override",
    ["seed=3", "data.batch_size=2", "optimizer.lr=1", "upsampler=nearest", "trainer=gpu", "~callbacks.history"],
)
def test_what_makes_another_training_is_refused_by_name(run, override):
    with pytest.raises(UserError, match=f"^{override} would make another training of a run that is resumed"):
        changed(run, override, "data.num_workers=2")


def test_a_run_is_lengthened_along_the_curve_of_its_new_length(run, tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
    for setting in ("epochs=4", "trainer.max_epochs=4"):
        config = changed(run, setting)
        assert config.trainer.max_epochs == config.epochs == 4
    copy = tmp_path / "copy"
    train(tiny_config("scheduler=poly", "scheduler.power=1.0"), copy)
    train(with_changes(load_config(copy), compose([setting]), [setting], copy), copy, resume=True)
    rows = list(csv.DictReader((copy / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    # Two steps an epoch, power 1: the rate after a step is that of the next one.
    assert [float(row["lr"]) for row in rows] == pytest.approx([0.01, 0.0, 0.02 * 2 / 8, 0.0])
    assert torch.load(copy / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 8


def test_the_first_step_of_a_lengthened_run_has_the_rate_of_its_new_length():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    short, long = (poly(optimizer, steps, power=1.0) for steps in (4, 8))
    for _ in range(4):
        optimizer.step()
        short.step()
    long.load_state_dict(short.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0
    follow(long)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_a_run_does_not_become_shorter_than_it_is(run):
    with pytest.raises(UserError, match=r"trainer\.max_epochs=1 is less than the 2 epochs that .* has finished"):
        changed(run, "epochs=1")


def test_one_cycle_keeps_its_length(tiny_config, tmp_path):
    stored = tiny_config("scheduler=one_cycle")
    with pytest.raises(UserError, match=r"trainer\.max_epochs=9 cannot change the length of a run of 2 epochs whose"):
        with_changes(stored, compose(["epochs=9"]), ["epochs=9"], tmp_path)
    assert with_changes(stored, compose(["epochs=2"]), ["epochs=2"], tmp_path).trainer.max_epochs == 2
