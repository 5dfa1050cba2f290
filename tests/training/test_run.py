import csv
import json
import math

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision

import segnet
from segnet.config import load_config
from segnet.errors import UserError
from segnet.losses import CrossEntropy
from segnet.metrics import scores
from segnet.tasks.segmentation.module import SegmentationModule
from segnet.training.callbacks import History
from segnet.training.run import train


@pytest.fixture(scope="module")
def run(tiny_config, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    return run_dir, train(tiny_config("trainer.max_epochs=3", "logger=tensorboard"), run_dir)


def test_the_run_folder_is_complete(run):
    run_dir, metrics = run
    names = {str(path.relative_to(run_dir)) for path in run_dir.rglob("*") if path.is_file()}
    assert {"config.yaml", "metrics.json", "history.csv", "predictions.png"} <= names
    assert {"scores/val.npz", "scores/test.npz"} <= names
    assert {"checkpoints/best.ckpt", "checkpoints/last.ckpt"} <= names
    assert any(name.startswith("tensorboard/events.") for name in names)
    assert {name for name in names if "/." in f"/{name}"} == {".lock"}, "a file was left half written"
    assert json.loads((run_dir / "metrics.json").read_text()).keys() == metrics.keys()


def test_metrics_have_flat_keys_and_plain_values(run):
    _, metrics = run
    assert metrics["status"] == "completed"
    assert metrics["seed"] == 0
    assert {"val/miou", "test/miou", "test/iou/pole", "lookup/test/miou", "params", "macs", "epochs"} <= metrics.keys()
    assert metrics["epochs"] == 3
    assert metrics["train_seconds"] > 0
    assert metrics["seconds_to_first_step"] > 0
    assert metrics["train_images_per_second"] == pytest.approx(24 / metrics["train_seconds"], rel=0.01)
    assert 0 <= metrics["test/miou"] <= 1


def test_history_has_a_row_an_epoch(run):
    run_dir, metrics = run
    rows = list(csv.DictReader((run_dir / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [row["step"] for row in rows] == ["2", "4", "6"]
    assert all(math.isfinite(float(row[key])) for row in rows for key in ("train/loss", "val/loss", "val/miou", "lr"))
    assert max(float(row["val/miou"]) for row in rows) == pytest.approx(metrics["val/miou"], abs=1e-5)


def test_epochs_without_validation_have_no_scores_and_are_never_the_best(tiny_config, tmp_path):
    train(tiny_config("trainer.max_epochs=5", "trainer.check_val_every_n_epoch=2"), tmp_path)
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert [row["val/miou"] != "" for row in rows] == [False, True, False, True, False]
    assert all(math.isfinite(float(row["train/loss"])) for row in rows)
    epochs = {
        name: torch.load(tmp_path / f"checkpoints/{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last")
    }
    assert epochs["best"] in (1, 3)
    assert epochs["last"] == 4


def test_checkpoints_hold_plain_values(run):
    run_dir, _ = run
    for name in ("best", "last"):
        checkpoint = torch.load(run_dir / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert checkpoint["state_dict"]


def test_best_is_the_best_epoch_and_last_is_the_last(tiny_config, tmp_path, monkeypatch):
    mious = iter([0.2, 0.9, 0.5, 0.4])

    def falling(confusion, ignore_index):
        result = scores(confusion, ignore_index)
        return result._replace(miou=next(mious))

    monkeypatch.setattr("segnet.tasks.segmentation.module.scores", falling)
    train(tiny_config("trainer.max_epochs=4"), tmp_path)
    epochs = {
        name: torch.load(tmp_path / f"checkpoints/{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last")
    }
    assert epochs == {"best": 1, "last": 3}
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_the_config_is_resolved_and_rebuilds_the_network(run):
    run_dir, metrics = run
    assert "${" not in (run_dir / "config.yaml").read_text().replace("${run_dir}", "")
    assert load_config(run_dir).run_dir == str(run_dir)
    network = segnet.load(run_dir).network
    assert not network.training
    assert sum(parameter.numel() for parameter in network.parameters()) == metrics["params"]
    assert network(torch.rand(1, 3, 9, 7)).shape == (1, 4, 9, 7)


def test_each_validation_scores_boundaries_as_the_end_does(run):
    run_dir, metrics = run
    rows = list(csv.DictReader((run_dir / "history.csv").read_text().splitlines()))
    best = max(rows, key=lambda row: float(row["val/miou"]))
    assert float(best["val/boundary_f1"]) == pytest.approx(metrics["val/boundary_f1"], abs=1e-6)


def assert_same_weights(one, two, name):
    states = [torch.load(d / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"] for d in (one, two)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def timeless_history(run_dir):
    rows = csv.DictReader((run_dir / "history.csv").read_text().splitlines())
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_a_training_without_its_history_is_refused(tiny_config, tmp_path):
    with pytest.raises(UserError, match=r"keeps its clock in callbacks\.history: do not set it to null"):
        train(tiny_config("callbacks.history=null"), tmp_path)
    assert not (tmp_path / "config.yaml").exists()


def test_two_trainings_are_the_same_to_the_bit(tiny_config, tmp_path):
    for name in ("one", "two"):
        train(tiny_config(), tmp_path / name)
    assert_same_weights(tmp_path / "one", tmp_path / "two", "last")


def test_a_killed_run_continues_as_if_nothing_had_happened(tiny_config, tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(tiny_config("trainer.max_epochs=4"), whole)
    start = History.on_train_epoch_start

    def killed_in_epoch_2(self, trainer, task):
        if trainer.current_epoch == 2:
            raise RuntimeError("killed")
        start(self, trainer, task)

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_train_epoch_start", killed_in_epoch_2)
        with pytest.raises(RuntimeError, match="killed"):
            train(tiny_config("trainer.max_epochs=4"), broken)
    assert json.loads((broken / "metrics.json").read_text()) == {"status": "failed", "seed": 0, "error": "killed"}
    train(load_config(broken), broken, resume=True)

    assert timeless_history(broken) == timeless_history(whole)
    for name in ("best", "last"):
        assert_same_weights(whole, broken, name)
    assert json.loads((broken / "metrics.json").read_text())["status"] == "completed"


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(tiny_config, tmp_path, monkeypatch):
    step = SegmentationModule.training_step

    def broken_in_step_3(self, batch, batch_index):
        if self.global_step == 3:
            with torch.no_grad():
                self.network.head.bias.fill_(math.inf)
        return step(self, batch, batch_index)

    monkeypatch.setattr(SegmentationModule, "training_step", broken_in_step_3)
    with pytest.raises(UserError, match=r"the loss became nan in step 3 \(epoch 1\), on the samples train0000\d, .*lr"):
        train(tiny_config(), tmp_path)
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 0
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["status"] == "failed"
    assert "the loss became nan" in metrics["error"]


def first_step(config, folder, monkeypatch):
    """Train a step, and return the norm of the gradients that the optimiser saw."""
    norms = []
    step = torch.optim.AdamW.step

    def watched(self, closure=None, **arguments):
        def then_measured():
            loss = closure()
            gradients = [p.grad for group in self.param_groups for p in group["params"]]
            norms.append(float(torch.nn.utils.get_total_norm(gradients)))
            return loss

        return step(self, then_measured, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", watched)
        train(config, folder)
    return norms[0]


@pytest.mark.parametrize("fused", ["true", pytest.param("false", marks=pytest.mark.slow)])
@pytest.mark.parametrize("precision", [pytest.param("32-true", marks=pytest.mark.slow), "bf16-mixed"])
def test_gradients_are_clipped(tiny_config, tmp_path, monkeypatch, precision, fused):
    chosen = (f"trainer.precision={precision}", f"optimizer.fused={fused}", "trainer.max_epochs=1")
    free = first_step(tiny_config(*chosen), tmp_path / "free", monkeypatch)
    assert free > 0.02
    clipped = first_step(tiny_config(*chosen, "trainer.gradient_clip_val=0.01"), tmp_path / "clipped", monkeypatch)
    assert clipped == pytest.approx(0.01, rel=1e-3)


def test_a_fused_optimiser_that_cannot_clip_is_refused(tiny_config, tmp_path, monkeypatch):
    # The scaler of fp16, as on a GPU: on a CPU Lightning takes bf16 instead.
    plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    monkeypatch.setattr(pl.Trainer, "precision_plugin", plugin)
    clipped = tiny_config("trainer.gradient_clip_val=1.0", "trainer.precision=bf16-mixed")
    with pytest.raises(UserError, match=r"trainer.gradient_clip_val=1.0 .* bf16-mixed: set optimizer.fused=false"):
        train(clipped, tmp_path)


def test_a_strange_label_is_found_before_training(tiny_config, tmp_path):
    with pytest.raises(UserError, match=r"label of train0000\d holds the value 3 .*neither a class \(0..2\)"):
        train(tiny_config("~data.classes.polygon"), tmp_path)
    assert not (tmp_path / "checkpoints").exists()


def test_a_folder_that_holds_a_run_is_not_written_over(run, tiny_config):
    run_dir, _ = run
    before = (run_dir / "metrics.json").read_text()
    with pytest.raises(UserError, match=r"holds a run already: continue it with resume=.*, or name another run_dir"):
        train(tiny_config(), run_dir)
    assert (run_dir / "metrics.json").read_text() == before


def test_median_frequency_weights_reach_the_loss(tiny_config, tmp_path, monkeypatch):
    seen = []
    forward = CrossEntropy.forward

    def watched(self, logits, labels):
        seen.append(self.class_weights)
        return forward(self, logits, labels)

    monkeypatch.setattr(CrossEntropy, "forward", watched)
    train(tiny_config("class_weights=median_frequency", "trainer.max_epochs=1"), tmp_path)
    assert seen[0][0] < 1 < seen[0][1]  # the background is common, poles are rare


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer=sgd", "scheduler=poly"],
        ["scheduler=cosine", "channels_last=false"],
        ["scheduler=constant", "upsampler=max_unpool", "skip=none"],
        ["convolution=separable", "downsampling=strided", "skip=add", "upsampler=bed_of_nails"],
        ["data.scale=0.5", "trainer.precision=bf16-mixed", "upsampler=transposed_conv"],
    ],
)
def test_other_choices_train_too(tiny_config, tmp_path, overrides):
    metrics = train(tiny_config("trainer.max_epochs=1", *overrides), tmp_path)
    assert metrics["status"] == "completed"


@pytest.mark.slow
def test_a_compiled_network_trains_and_its_checkpoint_loads(tiny_config, tmp_path):
    train(tiny_config("compile=true", "trainer.max_epochs=1"), tmp_path)
    assert segnet.load(tmp_path).network(torch.rand(1, 3, 16, 24)).shape == (1, 4, 16, 24)


def test_rates_that_reach_beyond_the_crop_are_warned_of(tiny_config, tmp_path, caplog):
    train(tiny_config("trainer.max_epochs=1", "context=atrous_regular", "context.dilation=12"), tmp_path)
    assert "has a dilation of 12 on a map of 8x12: in training crops of 16x24 its outer taps see nothing" in caplog.text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer.lr=-1"], "the settings of optimizer do not work: Invalid learning rate: -1; see --help optimizer"),
        (["optimizer.lr=0"], "optimizer.lr=0 is not allowed: give a number above 0"),
        (["optimizer.lr=inf"], "optimizer.lr=inf is not allowed: give a number above 0"),
        (
            ["optimizer=sgd", "optimizer.momentum=-1"],
            "the settings of optimizer do not work: Invalid momentum value: -1",
        ),
    ],
)
def test_settings_that_the_optimiser_refuses_are_a_sentence(tiny_config, tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        train(tiny_config(*overrides), tmp_path)


@pytest.mark.parametrize("epochs", ["0", "-1", "null"])
def test_a_training_needs_a_first_and_a_last_epoch(tiny_config, tmp_path, epochs):
    with pytest.raises(UserError, match=r"trainer\.max_epochs=.* is not allowed: give an integer from 1 up"):
        train(tiny_config(f"trainer.max_epochs={epochs}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
