"""An exported file predicts as the run does, and without torch."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from PIL import Image

import segnet
from segnet.errors import UserError
from segnet.export.run import export_run
from segnet.inference.onnx_model import resize
from segnet.tasks.segmentation.prediction import enlarge_bands
from segnet.training.run import train

PHOTO = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
WITHOUT_TORCH = """
import os, sys
import segnet
from segnet.cli import predict
model = segnet.load(sys.argv[1])
assert model.predict(sys.argv[2]).mask.shape == (37, 50)
sys.argv[1:] = ["run=" + sys.argv[1], "input=" + sys.argv[2], "output=" + sys.argv[3]]
predict.main()
assert not {"torch", "pytorch_lightning", "matplotlib"} & set(sys.modules)
"""


def test_prediction_imports_no_torch(onnx_export, tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    arguments = [str(onnx_export.path), str(tmp_path / "photo.png"), str(tmp_path / "masks")]
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *arguments], check=True, env={**os.environ, "COLUMNS": "80"})
    expected = segnet.load(onnx_export.path).predict(PHOTO)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "masks" / "index" / "photo.png")), expected.mask)


@pytest.mark.parametrize("flips", ["none", "both"])
def test_it_predicts_what_the_run_predicts(onnx_export, unpooling_run, flips):
    exported, run = (
        segnet.load(source, flips=flips, **precision)
        for source, precision in ((onnx_export.path, {}), (unpooling_run, {"precision": "32-true"}))
    )
    assert (exported.classes, exported.colours) == (run.classes, run.colours)
    for ours, theirs in zip(exported.predict([PHOTO, PHOTO[:20]]), run.predict([PHOTO, PHOTO[:20]]), strict=True):
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)
        assert (ours.mask == theirs.mask).mean() > 0.999


def test_tiles_give_what_the_whole_gives(onnx_export):
    large = np.tile(PHOTO, (12, 10, 1))
    whole, tiled = segnet.load(onnx_export.path), segnet.load(onnx_export.path, memory_gib=0.01)
    assert len(list(tiled.runner(np.zeros((1, 3, *large.shape[:2]), np.uint8)))) > 1
    assert len(list(whole.runner(np.zeros((1, 3, *large.shape[:2]), np.uint8)))) == 1
    np.testing.assert_allclose(
        tiled.predict(large).probabilities, whole.predict(large).probabilities, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"checkpoint": "last"}, r"checkpoint=last was settled when .*model\.onnx was exported"),
        ({"precision": "bf16-mixed"}, r"precision=bf16-mixed was settled when .*model\.onnx was exported"),
        ({"scales": [0.5, 1.0]}, r"scales=\[0.5, 1.0\] is for run folders, not for an ONNX file"),
        ({"device": "tpu"}, "device=tpu is not allowed: give one of auto, cpu, cuda"),
        ({"device": "cuda"}, "device=cuda is not offered by the onnxruntime that is installed: set device=cpu"),
        ({"flips": "all"}, "flips=all is not allowed: give one of none, horizontal, both"),
    ],
)
def test_bad_settings_are_refused(onnx_export, settings, message):
    with pytest.raises(UserError, match=message):
        segnet.load(onnx_export.path, **settings)


def test_bad_files_are_refused(onnx_export, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"run=.*missing\.onnx does not exist"):
        segnet.load(tmp_path / "missing.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(UserError, match=r"empty\.onnx cannot be read as ONNX .*: export it again"):
        segnet.load(tmp_path / "empty.onnx")
    model = onnx.load(onnx_export.path)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**entries, "classes": "["})
    onnx.save(model, tmp_path / "damaged.onnx")
    with pytest.raises(UserError, match=r"damaged\.onnx is damaged: its metadata cannot be read"):
        segnet.load(tmp_path / "damaged.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match=r"other\.onnx was not written by segnet-export"):
        segnet.load(tmp_path / "other.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="needs the package onnxruntime, which is not installed: pip install"):
        segnet.load(onnx_export.path)


@pytest.mark.slow
def test_a_file_of_classes_predicts_masks_alone(unpooling_run, onnx_export, tmp_path):
    path = export_run(unpooling_run, output=tmp_path, result="classes").path
    result = segnet.load(path).predict(PHOTO)
    assert result.probabilities is None
    assert (result.mask == segnet.load(onnx_export.path).predict(PHOTO).mask).mean() > 0.999
    with pytest.raises(UserError, match="write=probabilities needs logits, and this file returns classes"):
        segnet.load(path).kinds(["probabilities"])
    with pytest.raises(UserError, match="flips=both averages logits, and this file returns classes"):
        segnet.load(path, flips="both")


@pytest.mark.slow
def test_an_enlarging_file_enlarges(tiny_config, tmp_path):
    train(tiny_config("trainer.max_epochs=1", "task=super_resolution"), tmp_path / "run")
    path = export_run(tmp_path / "run").path
    ours, theirs = (segnet.load(source).predict(PHOTO).enlarged for source in (path, tmp_path / "run"))
    assert ours.shape == (74, 100, 3)
    assert np.abs(ours.astype(int) - theirs).max() <= 2
    assert segnet.load(path).kinds(None) == ("enlarged",)


@pytest.mark.slow
def test_a_resized_run_sees_resized_images(tiny_config, tmp_path):
    train(tiny_config("trainer.max_epochs=1", "data.scale=0.5"), tmp_path / "run")
    path = export_run(tmp_path / "run").path
    ours, theirs = segnet.load(path).predict(PHOTO), segnet.load(tmp_path / "run", precision="32-true").predict(PHOTO)
    assert ours.mask.shape == (37, 50)
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=2e-2)  # Pillow rounds as torch does not


def test_resizing_is_that_of_the_run():
    import torch

    maps = np.random.default_rng(0).normal(size=(2, 3, 7, 9)).astype(np.float32)
    ((_, expected),) = enlarge_bands([(0, torch.from_numpy(maps))], (15, 20))
    np.testing.assert_allclose(resize(maps, (15, 20)), expected.numpy(), atol=1e-5)
    assert json.dumps(resize(np.array([[[[1, 9]]]], np.uint8), (1, 4)).tolist()) == "[[[[1, 1, 9, 9]]]]"
