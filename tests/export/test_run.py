"""What segnet-export writes: the file, what it says of itself, and what is refused."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import segnet
from segnet.errors import UserError
from segnet.export import check
from segnet.export.run import export_run
from segnet.inference.export_facts import ExportFacts
from segnet.training.run import train


def test_the_file_runs_in_plain_onnx_runtime(onnx_export, unpooling_run):
    assert onnx_export.path == unpooling_run / "export" / "model.onnx"
    assert [path.name for path in onnx_export.path.parent.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(onnx_export.path)
    (images,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.shape) == ("images", ["batch", 3, "height", "width"])
    assert (logits.name, logits.shape) == ("logits", ["batch", 4, "height", "width"])
    network = segnet.load(unpooling_run).network
    photos = torch.rand(3, 3, 21, 50)
    with torch.inference_mode():
        expected = network(photos).numpy()
    np.testing.assert_allclose(session.run(None, {"images": photos.numpy()})[0], expected, atol=1e-4)


def test_the_file_says_what_it_is(onnx_export, unpooling_run):
    entries = {entry.key: json.loads(entry.value) for entry in onnx.load(onnx_export.path).metadata_props}
    model = segnet.load(unpooling_run)
    assert tuple(entries["classes"]) == model.classes
    assert tuple(map(tuple, entries["colours"])) == model.colours
    assert (entries["ignore_index"], entries["segnet_version"]) == (255, segnet.__version__)
    np.testing.assert_allclose(entries["mean"], model.network.mean.flatten().tolist())
    np.testing.assert_allclose(entries["std"], model.network.std.flatten().tolist())
    scored = json.loads((unpooling_run / "metrics.json").read_text())
    assert entries["scores"]["test/miou"] == scored["test/miou"]
    assert entries["parity"]["share"] <= entries["parity"]["tolerance"] == 1e-4
    assert len(entries["parity"]["sizes"]) >= 3
    assert ExportFacts.from_metadata(onnx_metadata(onnx_export.path), onnx_export.path) == onnx_export.facts


def onnx_metadata(path):
    return onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map


def test_its_operators_are_standard_and_batch_norms_are_folded(onnx_export):
    graph = onnx.load(onnx_export.path).graph
    assert {node.domain for node in graph.node} == {""}
    assert {node.op_type for node in graph.node}.isdisjoint({"BatchNormalization", "MaxUnpool"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "tflite"}, "format=tflite is not allowed: give one of onnx, torch, hub"),
        ({"result": "masks"}, "result=masks is not allowed: give one of logits, classes"),
        ({"precision": "8"}, "precision=8 is not allowed: give one of 32, 16, int8"),
        ({"format": "torch", "precision": "16"}, "precision=16 is for format=onnx: leave it out, or export to ONNX"),
        ({"output": "model.pt2"}, "output=model.pt2 does not end in .onnx, as format=onnx does: give it that"),
        ({"output": "/proc/no"}, "output=/proc/no cannot be written .*: name another folder"),
        ({"checkpoint": "first"}, "the run .* has no checkpoint first.ckpt: it did not finish an epoch"),
    ],
)
def test_bad_settings_are_refused(unpooling_run, settings, message):
    with pytest.raises(UserError, match=message):
        export_run(unpooling_run, **settings)


def test_a_run_without_a_checkpoint_is_refused(unpooling_run, tmp_path):
    shutil.copy(unpooling_run / "config.yaml", tmp_path)
    with pytest.raises(UserError, match=r"has no checkpoint best\.ckpt: it did not finish an epoch"):
        export_run(tmp_path)
    with pytest.raises(UserError, match=r"nothing is not a run folder: it has no config\.yaml"):
        export_run(tmp_path / "nothing")


def test_a_missing_package_is_named(unpooling_run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"format=onnx needs the package onnxscript, which is not installed: pip"):
        export_run(unpooling_run)


def test_no_file_is_left_that_differs(unpooling_run, tmp_path, monkeypatch):
    monkeypatch.setitem(check.TOLERANCES, "32", 0.0)
    message = r"the exported file differs from the network by .* where 0 is allowed, for 1 images of .*: it was not"
    with pytest.raises(UserError, match=message):
        export_run(unpooling_run, format="torch", output=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_torch_export_writes_a_file_that_torch_loads(unpooling_run):
    export = export_run(unpooling_run, format="torch")
    extra = {"classes": ""}
    program = torch.export.load(export.path, extra_files=extra)
    assert json.loads(extra["classes"]) == list(export.facts.classes)
    photo = torch.rand(1, 3, 19, 26)
    with torch.inference_mode():
        expected = segnet.load(unpooling_run).network(photo)
    torch.testing.assert_close(program.module()(photo), expected, atol=1e-4, rtol=0)
    # The folded weights alone, not those before folding beside them.
    values = sum(tensor.numel() for tensor in program.state_dict.values())
    assert values <= 1.2 * sum(parameter.numel() for parameter in export.network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["16", "int8"])
def test_fewer_bits_make_a_smaller_file(unpooling_run, tmp_path, precision):
    export = export_run(unpooling_run, output=tmp_path, precision=precision)
    assert export.path.name == f"model-{precision}.onnx"
    assert 0 < export.parity.share <= check.TOLERANCES[precision]


@pytest.mark.slow
def test_classes_are_bytes(unpooling_run, tmp_path):
    export = export_run(unpooling_run, output=tmp_path / "here.onnx", result="classes")
    session = onnxruntime.InferenceSession(export.path)
    photo = torch.rand(2, 3, 19, 26)
    with torch.inference_mode():
        expected = segnet.load(unpooling_run).network(photo).argmax(1).numpy()
    (found,) = session.run(["classes"], {"images": photo.numpy()})
    assert (found.dtype, found.shape) == (np.uint8, (2, 19, 26))
    assert (found == expected).mean() > 0.999


@pytest.mark.slow
def test_super_resolution_exports(tiny_config, tmp_path):
    train(tiny_config("trainer.max_epochs=1", "task=super_resolution"), tmp_path / "run")
    export = export_run(tmp_path / "run")
    session = onnxruntime.InferenceSession(export.path)
    (enlarged,) = session.run(["enlarged"], {"images": np.zeros((1, 3, 5, 7), np.float32)})
    assert enlarged.shape == (1, 3, 10, 14)
    with pytest.raises(UserError, match="result=classes is for segmentation, and this run enlarges images"):
        export_run(tmp_path / "run", result="classes")
