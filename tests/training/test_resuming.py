"""Resuming gives the bits of a training that was never stopped."""

import csv
import itertools
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from segnet.config import load_config
from segnet.data.batch import TrainingBatch
from segnet.data.sampling import TrainingOrder
from segnet.errors import UserError
from segnet.models.network import SegmentationNetwork
from segnet.training.callbacks import History
from segnet.training.module import TrainingModule
from segnet.training.run import train

SIX_BATCHES = ("data.images={train:12,val:3,test:4}", "data.batch_size=2", "trainer.max_epochs=2")


@pytest.fixture(autouse=True)
def _without_scores(monkeypatch):
    """Leave out what comes after the training, which has tests of its own."""
    monkeypatch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
    monkeypatch.setattr("segnet.training.finish.count_macs", lambda *_: 0)


class KilledError(Exception):
    """Stands for a SIGKILL: nothing is written after it."""


def resume_after_kill(config, folder, epoch: int, batch: int) -> None:
    """Train until a batch begins, as if the process were killed there, and resume the run."""
    record = History.on_train_batch_start

    def killed(self, trainer, pl_module, data, batch_idx):
        if (trainer.current_epoch, batch_idx) == (epoch, batch):
            raise KilledError
        record(self, trainer, pl_module, data, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(History, "on_train_batch_start", killed)
        with pytest.raises((KilledError, RuntimeError)) as stop:
            train(config, folder)
    # A spawned loading process that is still starting may abort, which torch then reports in place of our error.
    assert KilledError in (type(stop.value), type(stop.value.__context__)), stop.value
    train(load_config(folder), folder, resume=True)


def assert_same_run(one, two) -> None:
    for name in ("best", "last"):
        whole, resumed = (torch.load(d / f"checkpoints/{name}.ckpt", weights_only=True) for d in (one, two))
        for part in ("state_dict", "current_model_state"):
            for key, value in whole.get(part, {}).items():
                assert torch.equal(value, resumed[part][key]), (name, part, key)
        states = [checkpoint["optimizer_states"][0]["state"] for checkpoint in (whole, resumed)]
        for key, values in states[0].items():
            assert all(torch.equal(torch.as_tensor(v), torch.as_tensor(states[1][key][n])) for n, v in values.items())
        assert whole["lr_schedulers"] == resumed["lr_schedulers"]
        assert whole["global_step"] == resumed["global_step"]
    rows = [list(csv.DictReader((folder / "history.csv").read_text().splitlines())) for folder in (one, two)]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]


@pytest.fixture(scope="module")
def whole(tiny_config, tmp_path_factory):
    """Train without a break, once for each choice of settings."""
    runs = {}

    def trained(*chosen: str):
        if chosen not in runs:
            runs[chosen] = tmp_path_factory.mktemp("whole")
            train(tiny_config(*SIX_BATCHES, *chosen), runs[chosen])
        return runs[chosen]

    return trained


def change_loaders(monkeypatch, context: str, persistent: bool) -> None:
    """Have loading processes started, and kept, in another way; validation loads by itself, which saves time."""

    def loader(samples, num_workers, persistent_workers, **arguments):
        if "sampler" not in arguments:
            return DataLoader(samples, **arguments)
        arguments |= {"multiprocessing_context": context, "persistent_workers": persistent}
        return DataLoader(samples, num_workers=num_workers, **arguments)

    monkeypatch.setattr("segnet.data.module.DataLoader", loader)


@pytest.mark.filterwarnings("ignore:Consider setting `persistent_workers=True`")
@pytest.mark.parametrize(
    ("workers", "persistent", "context"),
    [
        (2, True, "fork"),
        pytest.param(1, True, "fork", marks=pytest.mark.slow),
        pytest.param(1, False, "fork", marks=pytest.mark.slow),
        pytest.param(2, False, "fork", marks=pytest.mark.slow),
        pytest.param(1, True, "spawn", marks=pytest.mark.slow),
        pytest.param(2, False, "spawn", marks=pytest.mark.slow),
        pytest.param(2, True, "spawn", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("place", [(1, 0), pytest.param((1, 4), marks=pytest.mark.slow)])
def test_loading_processes_do_not_change_what_a_resumed_run_sees(
    tiny_config, tmp_path, whole, monkeypatch, workers, persistent, context, place
):
    chosen = ("checkpoint.every_n_steps=3",)
    expected = whole(*chosen)
    change_loaders(monkeypatch, context, persistent)
    resume_after_kill(tiny_config(*SIX_BATCHES, *chosen, f"data.num_workers={workers}"), tmp_path, *place)
    assert_same_run(expected, tmp_path)


TURNED = "[{_target_:torchvision.transforms.v2.RandomRotation,degrees:20}]"
MID_EPOCH = [
    ("scheduler=one_cycle",),
    ("callbacks=average", "callbacks.average.decay=0.7", "callbacks.average.norm_batches=4", "scheduler=constant"),
    ("scheduler=cosine", "scheduler.warmup_steps=4", "+trainer.accumulate_grad_batches=2"),
]
MID_EPOCH_SLOW = [
    (
        "mix=cutmix",
        "data.augmentation.class_balance=0.5",
        "data.num_workers=1",
        f"data.augmentation.transforms={TURNED}",
    ),
    ("data.epoch_samples=14", "data.repeat_factor=0.9", "data.batch_size=2"),
    ("scheduler=poly", "optimizer=sgd", "optimizer.fused=false"),
    ("data.passes=2", "trainer.precision=bf16-mixed"),
    ("task=segmentation_auxiliary", "task.auxiliary.stride=2", "task.auxiliary.width=4"),
]


@pytest.mark.parametrize(
    "chosen", [*MID_EPOCH, *(pytest.param(chosen, marks=pytest.mark.slow) for chosen in MID_EPOCH_SLOW)]
)
def test_a_run_killed_within_an_epoch_continues_with_the_next_batch(tiny_config, tmp_path, whole, chosen):
    chosen = (*chosen, "checkpoint.every_n_steps=2")
    resume_after_kill(tiny_config(*SIX_BATCHES, *chosen), tmp_path, 1, 5)
    assert_same_run(whole(*chosen), tmp_path)


@pytest.mark.parametrize("broken", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_a_step_that_was_left_out_is_remembered(tiny_config, tmp_path, monkeypatch, broken):
    """The network computes in float32 from then on; the run is killed long after that step, or right after it."""
    backward = TrainingModule.backward

    def then_broken(self, loss, *args, **kwargs):
        backward(self, loss, *args, **kwargs)
        if self.global_step == broken:
            self.network.head.bias.grad.fill_(math.nan)

    monkeypatch.setattr(TrainingModule, "backward", then_broken)
    skipping = ("trainer.precision=bf16-mixed", "skip_steps=1", "float32_after_skip=true")
    config = tiny_config(*SIX_BATCHES, "checkpoint.every_n_steps=2", *skipping)
    train(config.copy(), tmp_path / "whole")
    resume_after_kill(config, tmp_path / "killed", 1, 5)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")
    assert torch.load(tmp_path / "killed/checkpoints/last.ckpt", weights_only=True)["float32"] is True


def test_a_resumed_run_loads_no_batch_again(tiny_config, tmp_path, monkeypatch):
    seen = []
    augment = TrainingBatch.augment

    def watched(self):
        seen.append(self.index.tolist())
        return augment(self)

    monkeypatch.setattr(TrainingBatch, "augment", watched)
    resume_after_kill(tiny_config(*SIX_BATCHES, "checkpoint.every_n_steps=2"), tmp_path, 1, 4)
    order = TrainingOrder(12, 2, seed=0)
    expected = [[index for _, index in order.batch_keys(*divmod(step, 6))] for step in range(12)]
    assert seen == [*expected[:11], *expected[10:]]  # the batch in which it was killed was loaded, and not trained on


def test_a_checkpoint_is_written_when_the_last_is_old(tiny_config, tmp_path, monkeypatch):
    # The clock advances by a minute at each look: one a step, and one when a checkpoint is written.
    minutes = itertools.count()
    monkeypatch.setattr("segnet.training.checkpoints.time", SimpleNamespace(monotonic=lambda: 60 * next(minutes)))
    steps = []
    save = pl.Trainer.save_checkpoint

    def watched(self, path, *args, **kwargs):
        steps.append((Path(path).name, self.global_step))
        save(self, path, *args, **kwargs)

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", watched)
    train(tiny_config(*SIX_BATCHES, "checkpoint.every_n_minutes=3", "trainer.max_epochs=1"), tmp_path)
    assert [step for name, step in steps if name == "last.ckpt"] == [3, 6]


@pytest.mark.parametrize(
    ("setting", "allowed"), [("every_n_steps=0", "an integer from 1 up"), ("every_n_minutes=-1", "a number above 0")]
)
def test_times_of_checkpoints_are_checked(tiny_config, tmp_path, setting, allowed):
    with pytest.raises(UserError, match=rf"checkpoint\.{setting} is not allowed: give {allowed}, or null"):
        train(tiny_config(f"checkpoint.{setting}"), tmp_path)


def test_what_is_random_in_a_network_depends_on_the_batch(tiny_config, tmp_path, monkeypatch):
    """Dropout after the head, which torch draws from its global generator."""
    forward = SegmentationNetwork.forward
    monkeypatch.setattr(
        SegmentationNetwork, "forward", lambda self, x: F.dropout(forward(self, x), training=self.training)
    )
    config = tiny_config(*SIX_BATCHES, "checkpoint.every_n_steps=2")
    train(config.copy(), tmp_path / "whole")
    torch.manual_seed(1)
    resume_after_kill(config, tmp_path / "killed", 1, 3)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")
