"""Two processes train what one trains, from labels of which each holds another number that count."""

import csv
from functools import partial

import pytest
import torch

from scripts.forked import finish, start
from segnet.layers.convolution import BatchNorm, normalise_by_running
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
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


@pytest.fixture(autouse=True)
def _same_whatever_the_share(monkeypatch):
    """Leave out the scores, and batch norms, which normalise by the images of a process."""
    monkeypatch.setattr("segnet.training.run._score", lambda *_: {})
    monkeypatch.setattr("segnet.training.run.count_macs", lambda *_: 0)
    monkeypatch.setattr(BatchNorm, "forward", normalise_by_running)


@pytest.fixture
def run(tiny_config, tmp_path):
    """Train in some processes, and return the folder."""

    def trained(name, *settings, processes=1):
        two = TWO if processes == 2 else ()
        work = partial(train, tiny_config(*SETTINGS, *two, *settings), tmp_path / name)
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
