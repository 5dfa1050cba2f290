"""Each argument of Lightning's Trainer is taken with an unusual value, refused, or listed with the reason."""

import csv
import inspect

import pytest
import pytorch_lightning as pl
import torch
import yaml

from segnet.config import to_values
from segnet.errors import UserError
from segnet.training.run import train
from segnet.training.trainer_arguments import REFUSED, check_trainer

TRIED_ELSEWHERE = {
    "self": "no argument",
    "accelerator": "trainer=cpu in all tests",
    "devices": "test_ddp",
    "strategy": "test_ddp",
    "num_nodes": "needs several machines",
    "max_epochs": "test_run",
    "check_val_every_n_epoch": "test_run",
    "max_time": "test_interruption",
    "gradient_clip_val": "test_run",
    "plugins": "objects, not values",
    "sync_batchnorm": "torch has it for GPUs alone",
    "model_registry": "needs an account",
}
REFUSED_VALUES = {
    "max_steps": "5",
    "min_steps": "5",
    "fast_dev_run": "true",
    "overfit_batches": "1",
    "val_check_interval": "0.5",
    "limit_train_batches": "0",
    "gradient_clip_val": "-1",
    "accumulate_grad_batches": "0",
    "limit_val_batches": "0",
    "limit_test_batches": "1",
    "limit_predict_batches": "1",
    "precision": "bf16-true",
    "enable_checkpointing": "false",
    "barebones": "true",
    "use_distributed_sampler": "true",
    "reload_dataloaders_every_n_epochs": "1",
    "enable_progress_bar": "true",
    "logger": "true",
    "callbacks": "[]",
    "default_root_dir": "/tmp/elsewhere",
}
TAKEN = (
    "min_epochs=1",
    "limit_train_batches=3",
    "limit_val_batches=0.5",
    "num_sanity_val_steps=1",
    "log_every_n_steps=1",
    "enable_model_summary=true",
    "accumulate_grad_batches=2",
    "gradient_clip_algorithm=value",
    "deterministic=warn",
    "benchmark=false",
    "inference_mode=false",
    "profiler=simple",
    "detect_anomaly=true",
    "enable_autolog_hparams=false",
)


def test_every_argument_of_lightnings_trainer_is_accounted_for():
    arguments = set(inspect.signature(pl.Trainer.__init__).parameters)
    assert set(REFUSED) == set(REFUSED_VALUES)
    assert {text.partition("=")[0] for text in TAKEN} | set(REFUSED) | set(TRIED_ELSEWHERE) == arguments


@pytest.mark.parametrize("name", REFUSED_VALUES)
def test_what_cannot_work_is_refused(name):
    with pytest.raises(UserError, match=rf"^trainer\.{name}=.* is not possible here: {REFUSED[name][1][:20]}"):
        check_trainer({"max_epochs": 2, name: yaml.safe_load(REFUSED_VALUES[name])})


def test_what_cannot_work_is_refused_before_training(tiny_config, tmp_path):
    with pytest.raises(UserError, match=r"trainer\.max_steps=5 is not possible here: .* trainer\.max_epochs"):
        train(tiny_config("+trainer.max_steps=5"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_shipped_trainer_is_taken(tiny_config):
    check_trainer(to_values(tiny_config().trainer))


@pytest.mark.parametrize("precision", ["64-true", "16-true"])
def test_other_number_formats_of_the_weights_are_refused(precision):
    with pytest.raises(UserError, match="weights are kept in float32: choose 32-true, bf16-mixed or 16-mixed"):
        check_trainer({"max_epochs": 1, "precision": precision})


@pytest.mark.parametrize("every", [3, 0, None])
def test_a_training_has_one_validation_at_least(every):
    with pytest.raises(UserError, match=r"check_val_every_n_epoch=.*: give an integer from 1 to .* epochs, 2"):
        check_trainer({"max_epochs": 2, "check_val_every_n_epoch": every})


def test_the_other_arguments_are_taken_together(tiny_config, tmp_path):
    epochs = ("trainer.max_epochs=2", "data.batch_size=2", "data.eval_batch_size=1")
    metrics = train(tiny_config(*epochs, *(f"++trainer.{text}" for text in TAKEN)), tmp_path)
    assert metrics["status"] == "completed"
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    torch.use_deterministic_algorithms(False)
    assert [row["step"] for row in rows] == ["2", "4"]  # 3 of 4 batches, in two steps
