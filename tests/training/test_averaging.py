import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import segnet
from segnet.config import load_config
from segnet.data.samples import as_float
from segnet.errors import UserError
from segnet.training.averaging import ExponentialAverage
from segnet.training.callbacks import History
from segnet.training.run import train

AVERAGE = ("callbacks=average", "callbacks.average.decay=0.7", "callbacks.average.norm_batches=2")
STOCHASTIC = ("callbacks=stochastic_average", "callbacks.average.start=0.4", "callbacks.average.norm_batches=2")


class Recorder(pl.Callback):
    """Keeps the weights and buffers after each step, the batches, and the weights that are validated."""

    def __init__(self):
        self.trained, self.buffers, self.batches, self.validated = [], [], [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.trained.append([p.detach().clone() for p in pl_module.network.parameters()])
        self.buffers.append({name: value.clone() for name, value in pl_module.network.named_buffers()})
        self.batches.append({name: value.clone() for name, value in batch.items()})

    def on_validation_batch_start(self, trainer, pl_module, *_):
        self.validated.append({k: v.clone() for k, v in pl_module.network.state_dict().items()})


@pytest.fixture
def record(tiny_config, tmp_path, monkeypatch):
    recorder = Recorder()
    start = pl.Trainer.__init__

    def with_recorder(self, *args, callbacks, **kwargs):
        start(self, *args, callbacks=[*callbacks, recorder], **kwargs)

    monkeypatch.setattr(pl.Trainer, "__init__", with_recorder)

    def record(*overrides):
        train(tiny_config(*overrides), tmp_path)
        return recorder, tmp_path

    return record


@pytest.fixture
def recorded(record):
    return record(*AVERAGE)


def test_the_average_is_validated_and_kept(recorded):
    recorder, run_dir = recorded
    averaged = recorder.trained[0]
    for step, trained in enumerate(recorder.trained[1:], start=1):
        decay = min(0.7, (1 + step) / (10 + step))
        averaged = [decay * a + (1 - decay) * b for a, b in zip(averaged, trained, strict=True)]
    last = segnet.load(run_dir, "last").network
    names = [name for name, _ in last.named_parameters()]
    assert len(recorder.trained) == 4
    for name, value in zip(names, averaged, strict=True):
        assert (recorder.validated[-1][name] - value).abs().max() < 1e-6
    assert all(torch.equal(value, recorder.validated[-1][name]) for name, value in last.state_dict().items())


def test_batch_norms_are_those_of_the_averaged_network(recorded):
    recorder, run_dir = recorded
    network = segnet.load(run_dir, "last").network
    norm, seen = network.encoder.stages[0][0].norm, []
    network.encoder.stages[0][0].convolution.register_forward_hook(lambda *call: seen.append(call[2]))
    for batch in recorder.batches[-2:]:
        network(as_float(batch["image"]))
    assert (norm.running_mean - torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)).abs().max() < 1e-5
    assert (norm.running_var - torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)).abs().max() < 1e-5


def test_the_mean_of_the_last_epochs_is_validated_and_kept(record):
    """Of 5 epochs of 2 steps the averaging begins with the third, 2 = 0.4 * 5 being done."""
    recorder, run_dir = record(*STOCHASTIC, "trainer.max_epochs=5")
    ends = recorder.trained[1::2]
    last = segnet.load(run_dir, "last").network
    names = [name for name, _ in last.named_parameters()]
    per_epoch = recorder.validated[:: len(recorder.validated) // 5]
    assert len(ends) == len(per_epoch) == 5
    for epoch, validated in enumerate(per_epoch):
        averaged = ends[2 : epoch + 1] or [ends[epoch]]
        for place, name in enumerate(names):
            expected = torch.stack([weights[place] for weights in averaged]).mean(0)
            assert (validated[name] - expected).abs().max() < 1e-6
    assert all(torch.equal(value, recorder.validated[-1][name]) for name, value in last.state_dict().items())


@pytest.mark.slow
def test_until_averaging_begins_the_trained_network_is_validated_as_it_is(record):
    """Its batch norms too."""
    recorder, _ = record("callbacks=stochastic_average", "callbacks.average.start=0.9", "trainer.max_epochs=1")
    statistics = {name: value for name, value in recorder.buffers[-1].items() if "running" in name}
    assert statistics
    assert all(torch.equal(value, recorder.validated[0][name]) for name, value in statistics.items())


def test_a_start_of_averaging_beyond_the_last_epoch_is_refused(tiny_config, tmp_path):
    with pytest.raises(UserError, match=r"^callbacks\.average\.start=1 is not allowed: give a share of the epochs"):
        train(tiny_config(*STOCHASTIC, "callbacks.average.start=1"), tmp_path)


def test_estimating_leaves_modes_and_momentum():
    from segnet.training.averaging import _norms_that_average

    network = nn.Sequential(nn.BatchNorm2d(3, momentum=0.3), nn.Dropout(0.5), nn.BatchNorm2d(3))
    network[2].eval()
    with _norms_that_average(network):
        assert [part.training for part in network] == [True, False, True]
        for value in (0.0, 2.0):
            network(torch.full((2, 3, 4, 4), value))
    assert network[0].running_mean.tolist() == [1, 1, 1]
    assert [part.training for part in network] == [True, True, False]
    assert network[0].momentum == 0.3


@pytest.mark.slow
@pytest.mark.parametrize("average", [AVERAGE, STOCHASTIC], ids=["exponential", "stochastic"])
@pytest.mark.parametrize("every", [1, 2])
def test_a_killed_run_continues_as_if_nothing_had_happened(tiny_config, tmp_path, monkeypatch, every, average):
    chosen = (*average, "trainer.max_epochs=4", f"trainer.check_val_every_n_epoch={every}")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(tiny_config(*chosen), whole)
    start = History.on_train_epoch_start

    def killed_in_epoch_3(self, trainer, task):
        if trainer.current_epoch == 3:
            raise RuntimeError("killed")
        start(self, trainer, task)

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_train_epoch_start", killed_in_epoch_3)
        with pytest.raises(RuntimeError, match="killed"):
            train(tiny_config(*chosen), broken)
    train(load_config(broken), broken, resume=True)
    for name in ("best", "last"):
        one, two = (torch.load(d / f"checkpoints/{name}.ckpt", weights_only=True) for d in (whole, broken))
        for part in ("state_dict", "current_model_state"):
            assert all(torch.equal(value, two[part][key]) for key, value in one[part].items())


def test_a_training_without_steps_estimates_nothing():
    average = ExponentialAverage()
    average.on_validation_epoch_start(None, nn.Identity())
