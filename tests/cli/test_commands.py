"""The commands as a user calls them, in this process."""

import datetime
import json
import shlex
import signal
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

import segnet
from segnet.cli import evaluate, predict, train
from segnet.cli.entry import sweep_folder
from segnet.config import load_config
from segnet.metrics import read_scores
from tests.cli.calling import TINY, assert_one_sentence
from tests.folder_listing import listing

HOLD = """
import sys
from pathlib import Path
from segnet.run_ownership import claim_to_resume
with claim_to_resume(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_train_evaluate_and_predict_in_a_row(call, tmp_path):
    run_dir = tmp_path / "run"
    code, _, err = call(train, *TINY, f"run_dir={run_dir}")
    assert code == 0, err
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert "training on 8 images" in (run_dir / "train.log").read_text()
    code, out, _ = call(evaluate, f"run={run_dir}")
    assert code == 0
    assert "mean IoU" in out
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    assert evaluation["test/miou"] == metrics["test/miou"]
    assert np.array(evaluation["confusion"]).sum() == 4 * 16 * 24
    assert evaluation["test/boundary_f1"] == metrics["test/boundary_f1"]
    again, stored = read_scores(run_dir / "evaluation.npz"), read_scores(run_dir / "scores" / "test.npz")
    assert np.array_equal(again.confusions, stored.confusions)
    assert "<title>run: evaluation on shapes, test</title>" in (run_dir / "evaluation.html").read_text()
    assert len((run_dir / "evaluation.csv").read_text().splitlines()) == 1 + 4
    low, high = evaluation["intervals"]["test/miou"]
    assert low <= evaluation["test/miou"] <= high
    assert call(evaluate, f"run={run_dir}", "split=val", "checkpoint=last")[0] == 0

    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, size in (("a.png", (9, 13)), ("more/b.jpg", (40, 31)), ("grey.png", None)):
        pixels = random.integers(0, 256, (*size, 3) if size else (5, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / name)
    code, out, _ = call(predict, f"run={run_dir}", f"input={photos}", f"output={tmp_path / 'masks'}")
    assert code == 0
    assert "3 images predicted" in out
    for name, size in (("a.png", (13, 9)), ("more/b.png", (31, 40)), ("grey.png", (4, 5))):
        for kind, mode in (("index", "L"), ("colour", "RGB"), ("overlay", "RGB")):
            with Image.open(tmp_path / "masks" / kind / name) as picture:
                assert (picture.size, picture.mode) == (size, mode)
                assert kind != "index" or np.array(picture).max() < 4


@pytest.mark.slow
def test_a_sweep_makes_a_folder_a_run(call, tmp_path):
    code, _, err = call(train, "-m", *TINY, "upsampler=nearest,max_unpool", "seed=0,1", f"run_dir={tmp_path / 'sweep'}")
    assert code == 0, err
    found = sorted(path.parent.name for path in (tmp_path / "sweep").rglob("metrics.json"))
    assert found == sorted(f"upsampler={name},seed={seed}" for name in ("nearest", "max_unpool") for seed in (0, 1))
    for name in found:
        config = load_config(tmp_path / "sweep" / name)
        assert f"seed={config.seed}" in name
        assert ("upsampler=max_unpool" in name) == config.upsampler._target_.endswith("MaxUnpool")
        assert config.run_dir == str(tmp_path / "sweep" / name)


@pytest.mark.parametrize(
    ("arguments", "overrides", "name"),
    [
        (["-m", "seed=0,1", "data=shapes"], ["seed=1", "data=shapes"], "seed=1"),
        (["-m", "--config-dir=mine", "data.root=/a/b,/c", "seed=2"], ["data.root=/c", "seed=2"], "data.root=_c"),
        (["-m", "encoder.widths=[4,8],[8,16]"], ["encoder.widths=[8,16]"], "encoder.widths=[8,16]"),
        (["-m", "hydra.sweeper.params.seed='1,2'"], ["seed=2"], "007"),
        (["-m", f"name={'x' * 200},y"], [f"name={'x' * 200}"], "007_name=" + "x" * 115),
    ],
)
def test_a_run_of_a_sweep_is_named_by_what_is_swept(monkeypatch, arguments, overrides, name):
    monkeypatch.setattr(sys, "argv", ["segnet-train", *arguments])
    assert sweep_folder(7, overrides) == name


def test_a_root_for_a_set_without_files_is_a_sentence(call, run_dir, tmp_path):
    message = f"data_root={tmp_path} is of no use: data=shapes has no folder; leave it out"
    assert_one_sentence(call(evaluate, f"run={run_dir}", f"data_root={tmp_path}"), message)


@pytest.mark.slow
def test_a_run_continues_from_the_command_line(call, run_dir):
    (run_dir / "metrics.json").unlink()
    code, out, err = call(train, f"resume={run_dir}")
    assert code == 0, err
    assert str(run_dir) in out
    assert json.loads((run_dir / "metrics.json").read_text())["status"] == "completed"
    assert_one_sentence(call(train, f"resume={run_dir}", "seed=3"), "seed=3 would make another training")
    assert_one_sentence(call(train, f"resume={run_dir}", "epochs=3"), "rises and falls once over its whole length")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["data.batch_size=9"], "is larger than the training split of 8 images"),
        (["upsampler=max_unpool", "downsampling=strided"], "needs pool indices"),
        (["logger=wandb"], "logger=wandb needs a package that is not installed: pip install -e "),
        (["~data.classes.polygon"], "neither a class"),
        (["trainer=gpu"], "no trainer for trainer.accelerator=gpu"),
    ],
)
def test_a_mistake_ends_in_one_sentence(call, tmp_path, overrides, text):
    assert_one_sentence(call(train, *TINY, f"run_dir={tmp_path / 'run'}", *overrides), text)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "failed"


def test_missing_data_end_in_one_sentence(call, tmp_path):
    overrides = ["data=camvid", "data.root=nowhere", "trainer=cpu", "logger=none", f"run_dir={tmp_path}"]
    assert_one_sentence(call(train, *overrides), "no CamVid in ")


@pytest.mark.parametrize(("overrides", "text"), [(["upsampler=lanczos"], "bilinear"), (["encoder.width=3"], "width")])
def test_an_unknown_setting_is_named(call, overrides, text):
    code, _, err = call(train, *overrides)
    assert code == 1
    assert text in err
    assert "Traceback" not in err


def test_a_folder_in_use_is_refused_before_anything_is_written(call, run_dir):
    before = listing(run_dir)
    in_use = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with in_use:
        assert in_use.stdout.readline() == "held\n"
        assert_one_sentence(call(train, f"resume={run_dir}"), "another process is training in")
        assert_one_sentence(call(train, *TINY, f"run_dir={run_dir}"), "holds a run already")
        in_use.stdin.close()
    assert listing(run_dir) == before


@pytest.mark.slow
def test_trainings_of_one_second_have_folders_of_their_own(call, tmp_path, monkeypatch):
    """As when the clock stands still: the default folder is named by it."""
    still = datetime.datetime(2026, 1, 31, 12)
    monkeypatch.setattr("hydra.core.utils.datetime", types.SimpleNamespace(now=lambda: still))
    monkeypatch.chdir(tmp_path)
    for name in ("2026-01-31_12-00-00", "2026-01-31_12-00-00_2"):
        code, out, err = call(train, *TINY)
        assert code == 0, err
        assert f"run folder: {tmp_path / 'runs' / 'shapes' / name}\n" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"], "Hydra writes nothing of its own"
    assert len(list((tmp_path / "runs" / "shapes").iterdir())) == 2


def test_a_resume_that_fails_leaves_a_finished_run_as_it_is(call, run_dir):
    before = (run_dir / "metrics.json").read_text()
    for path in (run_dir / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert_one_sentence(call(train, f"resume={run_dir}"), "last.ckpt is damaged")
    assert (run_dir / "metrics.json").read_text() == before


def test_a_start_that_failed_does_not_block_its_folder(call, tmp_path):
    folder = tmp_path / "run"
    assert_one_sentence(
        call(train, *TINY, f"run_dir={folder}", "data.batch_size=9"), "is larger than the training split"
    )
    code, _, err = call(train, *TINY, f"run_dir={folder}")
    assert code == 0, err
    assert json.loads((folder / "metrics.json").read_text())["status"] == "completed"


def test_resuming_nothing_makes_nothing(call, tmp_path):
    assert_one_sentence(call(train, f"resume={tmp_path / 'gone'}"), "is not a run folder")
    assert not (tmp_path / "gone").exists()


def test_shell_completion_and_help(call):
    code, out, _ = call(train, "--help")
    assert code == 0
    lines = out.splitlines()
    assert len(lines) < 60
    assert lines[0].startswith("segnet-train: ")
    assert "segnet-train -m upsampler=" in out
    assert any(line.startswith("  upsampler      bed_of_nails bicubic [bilinear] carafe") for line in lines)
    assert any(line.startswith("  data           ade20k [brain] camvid ") for line in lines)  # base is no choice
    assert any(line.startswith("  seed: 0") for line in lines)
    assert any(line.startswith("  callbacks      average [default]") for line in lines)
    assert not any("preset" in line for line in lines)  # what model=... proposes
    code, out, _ = call(train, "-sc", "install=bash")
    assert code == 0
    assert "complete " in out


def test_help_on_a_group(call):
    code, out, _ = call(train, "--help", "scheduler")
    assert code == 0
    assert "scheduler=one_cycle" in out.splitlines()
    assert_one_sentence(call(train, "-h", "schedular"), "there is no group schedular: choose one of data, ")


def test_predict_reports_broken_files_and_exits_with_1(call, run_dir, tmp_path):
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir()
    Image.fromarray(np.zeros((9, 12, 3), np.uint8)).save(photos / "whole.png")
    (photos / "broken.png").write_bytes(b"no image")
    code, out, err = call(predict, f"run={run_dir}", f"input={photos}", f"output={masks}")
    assert code == 1
    assert f"1 image predicted: {masks}" in out
    assert "cannot read the image" in err
    assert "1 of 2 files could not be read, and have no results" in err
    assert "Traceback" not in err
    assert (masks / "index" / "whole.png").is_file()


@pytest.mark.parametrize("command", [train, evaluate, predict])
def test_the_version_is_segnet_s(call, command):
    assert call(command, "--version") == (0, f"segnet {segnet.__version__}\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "ü (1) [a], b={c}",
        pytest.param("upsampler=nearest,seed=0", marks=pytest.mark.slow),
        pytest.param("it's", marks=pytest.mark.slow),
    ],
)
def test_any_folder_can_be_named(call, tmp_path, name):
    folder = tmp_path / name
    code, out, err = call(train, *TINY, f"run_dir={folder}")
    assert code == 0, err
    assert f"run folder: {shlex.quote(str(folder))}" in out
    assert call(evaluate, f"run={folder}")[0] == 0
    assert call(train, f"resume={folder}")[0] == 0
    photos = tmp_path / "photos = a, b"
    photos.mkdir()
    Image.new("RGB", (5, 4)).save(photos / "a.png")
    assert call(predict, f"run={folder}", f"input={photos}", f"output={tmp_path / 'x, y'}")[0] == 0
    assert (tmp_path / "x, y" / "index" / "a.png").is_file()


@pytest.mark.slow
def test_a_sweep_continues_after_a_job_that_cannot_work(call, tmp_path):
    swept = ["-m", *TINY, f"run_dir={tmp_path}", "skip=none", "downsampling=strided", "upsampler=max_unpool,nearest"]
    code, _, err = call(train, *swept)
    assert code == 1
    assert "upsampler=max_unpool: MaxUnpool needs pool indices" in err
    assert "error: 1 job of the sweep failed: " in err.splitlines()[-1]
    assert json.loads((tmp_path / "upsampler=nearest" / "metrics.json").read_text())["status"] == "completed"


@pytest.mark.slow
def test_classes_beside_own_configs_are_found(call, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    (tmp_path / "upsampler").mkdir()
    (tmp_path / "upsampler" / "mine.yaml").write_text("_target_: my_upsamplers.Mine\n_partial_: true\n")
    (tmp_path / "my_upsamplers.py").write_text("from segnet.layers import Nearest\nclass Mine(Nearest): ...\n")
    code, _, err = call(train, "--config-dir", tmp_path, *TINY, "upsampler=mine", f"run_dir={tmp_path / 'run'}")
    assert code == 0, err


def test_output_that_nobody_reads_on_is_no_error():
    command = [sys.executable, "-m", "segnet.cli.train", "--cfg", "job"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 141, -signal.SIGPIPE)
