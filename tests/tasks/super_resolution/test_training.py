import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import segnet
from segnet.build import data_from_config, task_from_config
from segnet.config import load_config
from segnet.data.samples import as_float
from segnet.errors import UserError
from segnet.layers import fusion_weights
from segnet.metrics import psnr, ssim
from segnet.tasks.super_resolution.low_resolution import low_resolution_pair
from segnet.tasks.super_resolution.scoring import score_bicubic, score_enlargement
from segnet.training.callbacks import History
from segnet.training.run import train

SCORES = {f"{who}{split}/{name}" for who in ("", "bicubic/") for split in ("val", "test") for name in ("psnr", "ssim")}


@pytest.fixture(scope="module")
def run(tiny_config, tmp_path_factory):
    """Odd sizes, so that the target is cropped; a split that does not fill the last batch."""
    run_dir = tmp_path_factory.mktemp("run")
    config = tiny_config("task=super_resolution", "data.size=[17,27]", "data.eval_batch_size=2")
    return run_dir, train(config, run_dir)


def test_the_run_folder_is_complete(run):
    run_dir, metrics = run
    names = {str(path.relative_to(run_dir)) for path in run_dir.rglob("*") if path.is_file()}
    assert {"config.yaml", "metrics.json", "history.csv", "predictions.png"} <= names
    assert {"checkpoints/best.ckpt", "checkpoints/last.ckpt"} <= names
    with Image.open(run_dir / "predictions.png") as picture:
        picture.load()
        assert picture.width > 800
    assert json.loads((run_dir / "metrics.json").read_text()) == metrics


def test_metrics_hold_the_scores_and_those_of_bicubic_interpolation(run):
    _, metrics = run
    assert metrics["status"] == "completed"
    assert metrics.keys() >= SCORES | {"params", "macs", "epochs", "seed", "train_seconds"}
    assert not any("miou" in name or "lookup" in name for name in metrics)
    assert metrics["macs_image_size"] == [8, 13]
    assert all(math.isfinite(metrics[name]) for name in SCORES)
    assert all(10 < metrics[name] < 60 for name in SCORES if name.endswith("psnr"))
    assert all(0 < metrics[name] < 1 for name in SCORES if name.endswith("ssim"))


def test_history_names_the_scores_and_the_log_the_foremost(run, tiny_config, tmp_path, caplog):
    run_dir, metrics = run
    rows = list(csv.DictReader((run_dir / "history.csv").read_text().splitlines()))
    assert list(rows[0]) == ["epoch", "step", "lr", "train/loss", "val/loss", "val/psnr", "val/ssim", "seconds"]
    # In batches of 2, 1 as in the final scores: every image counts once.
    assert max(float(row["val/psnr"]) for row in rows) == pytest.approx(metrics["val/psnr"], abs=1e-4)
    with caplog.at_level("INFO"):
        train(tiny_config("task=super_resolution", "trainer.max_epochs=1", "class_weights=median_frequency"), tmp_path)
    assert "val/psnr " in caplog.text
    assert "class_weights is left out: task=super_resolution has no classes" in caplog.text


def test_the_scores_are_those_of_each_image_alone(run):
    run_dir, metrics = run
    samples = data_from_config(load_config(run_dir)).eval_loader("test").dataset
    network = segnet.load(run_dir).network
    values = []
    for sample in (samples[index] for index in range(len(samples))):
        small, target = low_resolution_pair(as_float(sample["image"])[None], 2)
        assert (small.shape, target.shape) == ((1, 3, 8, 13), (1, 3, 16, 26))
        with torch.no_grad():
            enlarged = network(small)
        values.append((psnr(enlarged, target).item(), ssim(enlarged, target).item()))
    means = torch.tensor(values, dtype=torch.float64).mean(0).tolist()
    assert means == pytest.approx([metrics["test/psnr"], metrics["test/ssim"]], abs=1e-4)


def test_evaluating_again_gives_the_same_score_to_the_last_digit(run):
    run_dir, metrics = run
    config = load_config(run_dir)
    for split in ("val", "test"):
        again = task_from_config(config).score(segnet.load(run_dir).network, data_from_config(config), split).scores
        assert {name: value for name, value in again.items() if name in SCORES} == {
            name: metrics[name] for name in SCORES if f"{split}/" in name
        }


@pytest.mark.slow
def test_a_run_of_x4_learns_and_loads(tiny_config, tmp_path):
    config = tiny_config("task=super_resolution", "task.factor=4", "upsampler=max_unpool", "skip=none")
    metrics = train(config, tmp_path)
    assert metrics["macs_image_size"] == [4, 6]
    network = segnet.load(tmp_path).network
    assert network.body.head.weight.any()
    assert network(torch.rand(1, 3, 5, 3)).shape == (1, 3, 20, 12)


def test_an_untrained_network_scores_as_bicubic_interpolation(tiny_config):
    config = tiny_config("task=super_resolution")
    data = data_from_config(config)
    network = segnet.build_network(["task=super_resolution", "data=shapes"])
    assert score_enlargement(network, data, "test", 2) == score_bicubic(data, "test", 2)


@pytest.mark.slow
def test_a_killed_run_continues_as_if_nothing_had_happened(run, tiny_config, tmp_path, monkeypatch):
    whole, _ = run
    start = History.on_train_epoch_start

    def killed_in_epoch_1(self, trainer, module):
        if trainer.current_epoch == 1:
            raise RuntimeError("killed")
        start(self, trainer, module)

    config = tiny_config("task=super_resolution", "data.size=[17,27]", "data.eval_batch_size=2")
    with monkeypatch.context() as patch:
        patch.setattr(History, "on_train_epoch_start", killed_in_epoch_1)
        with pytest.raises(RuntimeError, match="killed"):
            train(config, tmp_path)
    train(load_config(tmp_path), tmp_path, resume=True)
    states = [torch.load(d / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for d in (whole, tmp_path)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
def test_labels_are_not_read(tiny_config, tmp_path):
    metrics = train(tiny_config("task=super_resolution", "~data.classes.polygon", "trainer.max_epochs=1"), tmp_path)
    assert metrics["status"] == "completed"


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["task=super_resolution", "loss=cross_entropy"], "task=super_resolution learns images: choose loss=l1"),
        (["loss=l1"], "the loss L1Loss compares images, and task=segmentation learns labels: choose loss=cross_ent"),
        (["task=super_resolution", "task.factor=4", "data.size=[3,9]"], "leave nothing at task.factor=4"),
        (["task=super_resolution", "data.batch_size=9"], "is larger than the training split of 8 images"),
        (
            ["task=super_resolution", "model={_target_: torch.nn.Identity, encoder: {}}"],
            "wraps a SegmentationNetwork, and model._target_ names a Identity: choose another model",
        ),
    ],
)
def test_what_cannot_work_is_refused(tiny_config, tmp_path, overrides, text):
    with pytest.raises(UserError, match=text):
        train(tiny_config(*overrides), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["segmentation", "super_resolution"])
def test_learned_fusion_weights_have_columns_in_the_history(tiny_config, tmp_path, task):
    train(tiny_config(f"task={task}", "convolution=atrous_regular", "fusion=linear"), tmp_path)
    row = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))[-1]
    weights = fusion_weights(segnet.load(tmp_path, "last").network)
    assert any(name.endswith("/atrous") for name in weights)
    assert any(weight != 1 for weight in weights.values())
    for name, weight in weights.items():
        assert float(row[f"fusion/{name}"]) == pytest.approx(weight, abs=1e-6)


def test_a_network_without_fusions_has_no_such_columns(run):
    run_dir, _ = run
    assert fusion_weights(segnet.load(run_dir).network) == {}
    assert "fusion" not in (run_dir / "history.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_two_processes_count_each_image_once(tmp_path):
    overrides = [
        "task=super_resolution",
        "data=shapes",
        "data.size=[16,24]",
        "data.images={train:8,val:5,test:3}",
        "data.batch_size=4",
        "data.eval_batch_size=2",
        "data.num_workers=0",
        "encoder.widths=[4,8]",
        "encoder.depths=[1,1]",
        "trainer=ddp",
        "trainer.accelerator=cpu",
        "trainer.devices=2",
        "trainer.max_epochs=2",
        "logger=none",
        f"run_dir={tmp_path / 'run'}",
    ]
    command = [str(Path(sys.executable).with_name("segnet-train")), *overrides]
    result = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    best = max(rows, key=lambda row: float(row["val/psnr"]))
    for name in ("val/psnr", "val/ssim"):
        assert float(best[name]) == pytest.approx(metrics[name], abs=1e-4)
