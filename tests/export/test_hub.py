"""A folder for sharing: what is in it, that it is used like a run, and networks that come with the package."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file

import segnet
from segnet import pretrained
from segnet.cli import evaluate, export, predict
from segnet.config import compose, load_config, to_run_yaml
from segnet.errors import UserError
from segnet.export.hub import export_hub, without_machine
from segnet.pretrained import locate

PHOTO = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def shared(unpooling_run, tmp_path_factory):
    """The run as a folder for sharing; its evaluation has intervals."""
    run = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(unpooling_run, run, ignore=shutil.ignore_patterns("export"))
    scored = json.loads((run / "metrics.json").read_text())
    evaluation = {"split": "test", "test/miou": scored["test/miou"], "intervals": {"test/miou": [0.1, 0.9]}}
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    return export_hub(run)


@pytest.fixture
def come_along(shared, tmp_path, monkeypatch):
    """Have the network come with the package, as pretrained/tiny."""
    shutil.copytree(shared, tmp_path / "package" / "tiny")
    monkeypatch.setattr(pretrained, "__file__", str(tmp_path / "package" / "__init__.py"))
    monkeypatch.chdir(tmp_path)


def test_the_folder_has_tensors_config_scores_and_a_card(shared, unpooling_run):
    names = {path.name for path in shared.iterdir()}
    assert names == {"model.safetensors", "config.yaml", "metrics.json", "evaluation.json", "README.md"}
    network = segnet.load(unpooling_run).network
    assert sorted(load_file(shared / "model.safetensors")) == sorted(network.state_dict())
    card = ModelCard.load(shared / "README.md")
    assert (card.data.library_name, card.data.pipeline_tag) == ("segnet", "image-segmentation")
    scored = json.loads((shared / "metrics.json").read_text())
    assert f"| miou | {scored['test/miou']:.4f} | 0.1000 to 0.9000 |" in card.text
    assert "| upsampler | MaxUnpool |" in card.text
    assert "## Limits" in card.text


def test_it_is_used_like_the_run(shared, unpooling_run):
    ours, theirs = segnet.load(shared), segnet.load(unpooling_run)
    for name, tensor in theirs.network.state_dict().items():
        assert torch.equal(ours.network.state_dict()[name], tensor), name
    np.testing.assert_array_equal(ours.predict(PHOTO).mask, theirs.predict(PHOTO).mask)
    with pytest.raises(UserError, match=r"checkpoint=last is not in .*, which has the best one alone: leave it out"):
        segnet.load(shared, checkpoint="last")


def test_paths_of_the_machine_are_left_out():
    paths = ("data.root=/home/me/camvid", "data.cache_dir=/home/me/cache", "resume=/home/me/run")
    config = compose(["data=camvid", *paths])
    text = to_run_yaml(without_machine(config))
    assert "/home" not in text
    assert "data/camvid" in text


def test_a_folder_that_is_there_is_kept(shared, unpooling_run):
    with pytest.raises(UserError, match=r"output=.* is there already: name a folder that is not"):
        export_hub(unpooling_run, shared)
    with pytest.raises(UserError, match=r"output=/proc/shared cannot be written|/proc.* could not be written"):
        export_hub(unpooling_run, "/proc/shared")


def test_damaged_tensors_are_refused(shared, tmp_path):
    shutil.copytree(shared, tmp_path / "damaged")
    content = (shared / "model.safetensors").read_bytes()
    (tmp_path / "damaged" / "model.safetensors").write_bytes(content[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged \(.*\): copy it again"):
        segnet.load(tmp_path / "damaged")


@pytest.mark.usefixtures("come_along")
def test_a_network_that_comes_along_predicts_and_scores_as_stated(tmp_path, monkeypatch, capsys):
    from PIL import Image

    Image.fromarray(PHOTO).save("photo.png")
    monkeypatch.setattr(sys, "argv", ["segnet-predict", "run=pretrained/tiny", "input=photo.png", "output=masks"])
    predict.main()
    expected = segnet.load("pretrained/tiny").predict(PHOTO).mask
    np.testing.assert_array_equal(np.array(Image.open("masks/index/photo.png")), expected)
    monkeypatch.setattr(sys, "argv", ["segnet-evaluate", "run=pretrained/tiny", "split=test"])
    evaluate.main()
    capsys.readouterr()
    found = json.loads((tmp_path / "evaluation" / "tiny" / "evaluation.json").read_text())
    stated = json.loads((tmp_path / "package" / "tiny" / "metrics.json").read_text())
    assert found["test/miou"] == stated["test/miou"]
    assert not (tmp_path / "package" / "tiny" / "evaluation.npz").exists()


@pytest.mark.usefixtures("come_along")
def test_unknown_names_are_answered_with_the_list():
    with pytest.raises(UserError, match="run=pretrained/camvid is not known: choose one of pretrained/tiny"):
        segnet.load("pretrained/camvid")


def test_names_are_places(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(UserError, match="run=pretrained/camvid is not known: none come with this version"):
        locate("pretrained/camvid")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pretrained" / "camvid").mkdir(parents=True)
    assert locate("pretrained/camvid").is_dir(), "a folder of the user's goes first"
    assert locate("runs/here") == pretrained.Path("runs/here")


def test_the_hub_is_asked_for_names(monkeypatch, shared):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(shared)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert segnet.load("hub:someone/tiny").classes == segnet.load(shared).classes
    assert asked[0][0] == "someone/tiny"
    assert "model.safetensors" in asked[0][1]
    with pytest.raises(UserError, match="hub:tiny is no name of the hub: give hub:OWNER/NAME"):
        segnet.load("hub:tiny")

    def offline(name, allow_patterns):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    message = r"hub:someone/tiny could not be downloaded \(LocalEntryNotFoundError\): connect once, and it is kept"
    with pytest.raises(UserError, match=message):
        segnet.load("hub:someone/tiny")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="needs the package huggingface_hub, which is not installed: pip install"):
        segnet.load("hub:someone/tiny")


def test_the_command_writes_the_folder(unpooling_run, tmp_path, monkeypatch, capsys):
    arguments = [f"run={unpooling_run}", "format=hub", f"output={tmp_path / 'out'}"]
    monkeypatch.setattr(sys, "argv", ["segnet-export", *arguments])
    export.main()
    assert capsys.readouterr().out == f"written: {tmp_path / 'out'}\n"
    assert load_config(tmp_path / "out").seed == load_config(unpooling_run).seed
    assert str(unpooling_run) not in (tmp_path / "out" / "config.yaml").read_text()
