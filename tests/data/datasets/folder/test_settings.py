"""``data=folder``: what it takes from the folder, and a training on a folder as people have them."""

import csv
import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from segnet.build import build_network, data_from_config
from segnet.cli import evaluate, predict, train
from segnet.config import compose, load_config, to_values
from segnet.data import Folder
from segnet.errors import UserError

COLOURS = np.array([[0, 0, 0], [200, 40, 40], [40, 40, 200]], np.uint8)
SIZES = [(24, 32), (20, 30), (24, 32), (33, 17)]
TINY = ["data=folder", "encoder.widths=[4,8]", "encoder.depths=[1,1]", "epochs=1", "trainer=cpu", "logger=none"]
TINY += ["data.num_workers=0", "trainer.precision=32-true"]


def write_folder(root, masks="index", count=12, sizes=SIZES):
    """Photos of several sizes; the brightness of a pixel is its class."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        size = sizes[number % len(sizes)]
        label = np.repeat(np.repeat(random.integers(0, 3, (5, 5), dtype=np.uint8), 8, 0), 8, 1)[: size[0], : size[1]]
        noise = random.integers(0, 60, (*size, 3), dtype=np.uint8)
        Image.fromarray(label[..., None] * np.uint8(90) + noise).save(root / "images" / f"{number}.jpg", quality=95)
        Image.fromarray(label if masks == "index" else COLOURS[label]).save(root / "masks" / f"{number}.png")
    return root


def test_the_settings_follow_from_the_folder(tmp_path, caplog):
    root = write_folder(tmp_path / "photos")
    config = compose(["data=folder", f"data.root={root}"])
    assert not (root / "dataset.yaml").exists()  # nothing is looked at before a value is asked for
    with caplog.at_level(logging.INFO):
        values = to_values(config)["data"]
    found = [record.getMessage() for record in caplog.records if "found in" in record.getMessage()]
    assert len(found) == 1
    assert "images/ beside masks/, 12 images of 31x24 (median), 3 channels, index masks with the classes" in found[0]
    assert values["name"] == "photos"
    assert list(values["classes"]) == ["class_0", "class_1", "class_2"]
    assert (values["ignore_index"], values["channels"], values["scale"], values["batch_size"]) == (255, 3, 1.0, 8)
    assert values["augmentation"]["crop"] == [24, 31]
    assert len(values["mean"]) == len(values["std"]) == 3
    assert values["augmentation"]["fill"] == values["mean"]
    halved = to_values(compose(["data=folder", f"data.root={root}", "data.scale=0.5"]))["data"]
    assert halved["augmentation"]["crop"] == [12, 16]


def test_what_dataset_yaml_says_is_taken(tmp_path):
    root = write_folder(tmp_path / "photos")
    data_from_config(compose(["data=folder", f"data.root={root}"]))
    written = yaml.safe_load((root / "dataset.yaml").read_text())
    written["classes"] = {
        "ground": {"values": [0], "colour": [1, 2, 3]},
        "thing": {"values": [1, 2], "colour": [4, 5, 6]},
    }
    written["size"] = [2000, 1000]
    (root / "dataset.yaml").write_text(yaml.safe_dump(written))
    config = compose(["data=folder", f"data.root={root}"])
    data = data_from_config(config)
    assert data.classes == ["ground", "thing"]
    assert data.colours == [(1, 2, 3), (4, 5, 6)]
    assert data.scale == 0.256
    assert data.augmentation.crop == [512, 256]
    assert data.pixel_counts("train").shape == (8, 2)


def test_a_small_folder_trains_in_one_batch(tmp_path):
    root = write_folder(tmp_path / "photos", count=6)
    data = data_from_config(compose(["data=folder", f"data.root={root}"]))
    assert data.batch_size == len(data.split("train").ids) == 4


def test_colours_can_be_read_as_grey(tmp_path):
    root = write_folder(tmp_path / "photos")
    grey = ["data.channels=1", "data.mean=[0.4]", "data.std=[0.3]"]
    data = data_from_config(compose(["data=folder", f"data.root={root}", *grey]))
    data.check()
    assert data.split("val").load(0, np.random.default_rng(0))[0].shape[2] == 1
    assert Folder("val", root).load(0, np.random.default_rng(0))[0].shape[2] == 3
    with pytest.raises(UserError, match=r"data\.mean has 3 values and data\.channels=1"):
        data_from_config(compose(["data=folder", f"data.root={root}", "data.channels=1"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "data=folder needs the folder of your images and masks: say data.root=FOLDER, as in data.root=photos"),
        (["data.root=nowhere"], "data.root=nowhere is not a folder, nor a YAML that describes a data set"),
    ],
)
def test_a_folder_that_is_not_there_is_a_sentence(overrides, message):
    with pytest.raises(UserError) as caught:
        to_values(compose(["data=folder", *overrides]))
    assert str(caught.value) == message


def test_from_python_it_is_a_sentence_too():
    with pytest.raises(UserError, match="data=folder needs the folder of your images and masks"):
        build_network(["data=folder"])
    with pytest.raises(UserError, match="data=folder needs the folder of your images and masks"):
        to_values(compose(["data=folder"]))
    with pytest.raises(UserError, match="data=folder needs the folder of your images and masks"):
        data_from_config(compose(["data=folder"]))


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch):
    root = write_folder(tmp_path / "photos")

    def refuse(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("segnet.data.datasets.folder.description.write_whole", refuse)
    with pytest.raises(UserError, match=r"cannot write .*dataset.yaml, which says what the masks mean: Permission den"):
        Folder("train", root)


@pytest.mark.parametrize("masks", ["index", "colour"])
def test_train_evaluate_and_predict_images_of_several_sizes(masks, tmp_path, monkeypatch, capsys):
    root = write_folder(tmp_path / "my photos", masks)
    run_dir = tmp_path / "run"

    def call(command, *arguments):
        monkeypatch.setattr("sys.argv", ["segnet", *map(str, arguments)])
        command.main()

    call(train, *TINY, f"data.root={root}", f"run_dir={run_dir}")
    assert "found in" in capsys.readouterr().out
    metrics = json.loads((run_dir / "metrics.json").read_text())
    config = load_config(run_dir)
    assert config.name == "my photos"
    assert len(config.data.classes) == 3
    history = list(csv.DictReader((run_dir / "history.csv").read_text().splitlines()))
    assert float(history[-1]["val/miou"]) == pytest.approx(metrics["val/miou"], abs=1e-6)
    call(evaluate, f"run={run_dir}", "split=val")
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    assert evaluation["val/miou"] == metrics["val/miou"]
    data = data_from_config(config)
    pixels = sum(height * width for height, width in data.sizes("val"))
    assert np.array(evaluation["confusion"]).sum() == pixels
    with np.load(run_dir / "scores" / "val.npz") as scores:
        assert scores["names"].tolist() == list(data.split("val").ids)
        assert scores["confusions"].sum((1, 2)).tolist() == [height * width for height, width in data.sizes("val")]
    call(predict, f"run={run_dir}", f"input={root / 'images'}", f"output={tmp_path / 'masks'}")
    for number in range(12):
        with Image.open(tmp_path / "masks" / "index" / f"{number}.png") as mask:
            assert mask.size == SIZES[number % 4][::-1]


def test_batches_of_any_size_score_alike(tmp_path):
    root = write_folder(tmp_path / "photos")
    one, many = (
        data_from_config(compose(["data=folder", f"data.root={root}", f"data.eval_batch_size={size}"]))
        for size in (1, 8)
    )
    single = [sample for batch in one.eval_loader("train") for sample in batch["label"].tolist()]
    joined = [sample for batch in many.eval_loader("train") for sample in batch["label"].tolist()]
    assert single == joined
    assert len(one.eval_loader("train")) > len(many.eval_loader("train"))


@pytest.mark.slow
def test_two_processes_count_each_image_of_several_sizes_once(tmp_path):
    """Sizes are such that the two have different numbers of batches to score."""
    sizes = [(24, 32), (20, 30), (24, 32), (20, 30), (24, 32), (33, 17)]
    root = write_folder(tmp_path / "photos", count=40, sizes=sizes)
    overrides = [*TINY[:3], "epochs=2", "logger=none", "trainer.precision=32-true", "data.num_workers=0"]
    overrides += ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.eval_batch_size=3"]
    command = [sys.executable, "-m", "segnet.cli.train", *overrides, f"data.root={root}", f"run_dir={tmp_path / 'run'}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    data = data_from_config(load_config(tmp_path / "run"))
    data.eval_batch_size = 3
    assert len({len(data.eval_loader("val", rank, 2)) for rank in (0, 1)}) == 2
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    best = max(rows, key=lambda row: float(row["val/miou"]))
    assert float(best["val/miou"]) == pytest.approx(metrics["val/miou"], abs=1e-6)
    assert float(best["val/boundary_f1"]) == pytest.approx(metrics["val/boundary_f1"], abs=1e-6)
