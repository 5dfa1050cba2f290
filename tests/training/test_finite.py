"""A network with infinity or NaN in it is never kept."""

import math

import pytest
import torch

from segnet.build import data_from_config, network_from_config, task_from_config
from segnet.errors import UserError
from segnet.training.callbacks import History
from segnet.training.loss_check import non_finite_tensors
from segnet.training.module import TrainingModule
from segnet.training.run import build_module, train


@pytest.fixture(autouse=True)
def _without_scores(monkeypatch):
    monkeypatch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
    monkeypatch.setattr("segnet.training.finish.count_macs", lambda *_: 0)


def break_gradients(monkeypatch, *steps: int) -> None:
    """Have the gradient of one weight become NaN in some steps, the loss being what it is."""
    backward = TrainingModule.backward

    def broken(self, loss, *args, **kwargs):
        backward(self, loss, *args, **kwargs)
        if self.global_step in steps:
            self.network.head.bias.grad.fill_(math.nan)
            self.network.encoder.stages[0][0].norm.running_mean.fill_(math.nan)

    monkeypatch.setattr(TrainingModule, "backward", broken)


def kept(folder, name):
    return torch.load(folder / f"checkpoints/{name}.ckpt", weights_only=True)


def test_a_gradient_that_is_not_finite_in_the_last_step_ends_the_training(tiny_config, tmp_path, monkeypatch):
    break_gradients(monkeypatch, 3)
    message = r"the gradient became nan in step 3 \(epoch 1\), on the samples train0000\d, .*: lower optimizer.lr"
    with pytest.raises(UserError, match=message):
        train(tiny_config(), tmp_path)
    for name in ("best", "last"):
        assert kept(tmp_path, name)["epoch"] == 0
        assert not non_finite_tensors(kept(tmp_path, name)["state_dict"])


def test_running_statistics_that_are_not_finite_replace_no_checkpoint(tiny_config, tmp_path, monkeypatch):
    ended = History.on_train_batch_end

    def then_broken(self, trainer, pl_module, *arguments):
        ended(self, trainer, pl_module, *arguments)
        if trainer.global_step == 4:
            pl_module.network.encoder.stages[0][0].norm.running_var.fill_(math.inf)

    monkeypatch.setattr(History, "on_train_batch_end", then_broken)
    message = r"stages.0.0.norm.running_var and 0 more of the network became infinite or NaN before step 4 \(epoch 1\)"
    with pytest.raises(UserError, match=message):
        train(tiny_config(), tmp_path)
    assert kept(tmp_path, "best")["epoch"] == kept(tmp_path, "last")["epoch"] == 0


def test_a_step_can_be_left_out(tiny_config, tmp_path, monkeypatch, caplog):
    break_gradients(monkeypatch, 1)
    trained = tiny_config("skip_steps=1", "checkpoint.every_n_steps=1")
    states = []
    ended = History.on_train_batch_end

    def watched(self, trainer, pl_module, *arguments):
        ended(self, trainer, pl_module, *arguments)
        states.append({name: value.clone() for name, value in pl_module.network.state_dict().items()})

    monkeypatch.setattr(History, "on_train_batch_end", watched)
    assert train(trained, tmp_path)["status"] == "completed"
    assert "step 1 (epoch 0) is left out, its gradient is nan, on the samples train0000" in caplog.text
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not torch.equal(states[1]["head.weight"], states[2]["head.weight"])
    assert kept(tmp_path, "last")["skipped_steps"] == 1


def test_no_more_steps_are_left_out_than_allowed(tiny_config, tmp_path, monkeypatch):
    break_gradients(monkeypatch, 0, 1, 2)
    message = r"the gradient became nan in step 2 \(epoch 1\) after 2 steps were left out, on the samples train"
    with pytest.raises(UserError, match=message):
        train(tiny_config("skip_steps=2"), tmp_path)


@pytest.mark.parametrize("value", ["-1", "true", "some"])
def test_the_number_of_steps_is_checked(tiny_config, tmp_path, value):
    with pytest.raises(UserError, match=r"skip_steps=.* is not allowed: give an integer from 0 up"):
        train(tiny_config(f"skip_steps={value}"), tmp_path)


def test_after_a_step_that_was_left_out_the_network_computes_in_float32(tiny_config, tmp_path, monkeypatch, caplog):
    break_gradients(monkeypatch, 1)
    config = tiny_config("trainer.precision=bf16-mixed", "skip_steps=1", "float32_after_skip=true")
    dtypes = []
    ended = TrainingModule.forward

    def watched(self, images):
        output = ended(self, images)
        dtypes.append((self.training, output.dtype))
        return output

    monkeypatch.setattr(TrainingModule, "forward", watched)
    assert train(config, tmp_path)["status"] == "completed"
    assert "from step 2 on the network computes in float32" in caplog.text
    assert [dtype for training, dtype in dtypes if training] == [torch.bfloat16] * 2 + [torch.float32] * 2
    assert dtypes[-1] == (False, torch.float32)
    assert kept(tmp_path, "last")["float32"] is True
    module = build_module(config, task_from_config(config), data_from_config(config), network_from_config(config))
    module.on_load_checkpoint({"float32": kept(tmp_path, "last")["float32"]})
    assert module.computes_in_float32


@pytest.mark.parametrize(
    "overrides", [("trainer.precision=bf16-mixed",), ("skip_steps=1", "trainer.precision=32-true")]
)
def test_float32_after_a_step_needs_one_that_may_be_left_out(tiny_config, tmp_path, overrides):
    with pytest.raises(UserError, match=r"float32_after_skip=true is for trainer.precision=bf16-mixed with skip_steps"):
        train(tiny_config("float32_after_skip=true", *overrides), tmp_path)


def test_half_precision_is_for_gpus(tiny_config, tmp_path):
    with pytest.raises(UserError, match=r"trainer.precision=16-mixed is for GPUs: on a CPU set bf16-mixed or 32-true"):
        train(tiny_config("trainer.precision=16-mixed"), tmp_path)
