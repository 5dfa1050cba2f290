"""Every command that takes a run or an image, with all that can be wrong with them: a sentence, and nothing written."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from segnet.build import start_from
from segnet.cli import demo, evaluate, export, predict
from segnet.config import compose
from segnet.data.images import read_image
from segnet.demo import serving
from segnet.errors import UserError
from segnet.inference.scoring import evaluate_run
from segnet.run_folder import CONFIG, checkpoint_file
from segnet.training.run import train
from segnet.training.task import EvaluationRequest
from tests.broken_images import png_that_claims, write_animation
from tests.conftest import TINY

COMMANDS = {"predict": predict, "evaluate": evaluate, "export": export, "demo": demo}


def write_pairs(root: Path, mode: str = "RGB", pairs: int = 8) -> Path:
    """A folder of images and masks for ``data=folder``."""
    random = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(pairs):
        pixels = random.integers(0, 256, (16, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(root / "images" / f"{number}.png")
        Image.fromarray(random.integers(0, 3, (16, 24), dtype=np.uint8)).save(root / "masks" / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder with one of each kind of bad input, and a good run."""
    root = tmp_path_factory.mktemp("bad")
    options = [option for option in TINY if not option.startswith(("data=", "data.size", "data.images"))]
    photos = write_pairs(root / "photos")
    train(compose(["data=folder", f"data.root={photos}", *options, "trainer.max_epochs=1"]), root / "run")

    (root / "no_image").mkdir()
    (root / "no_image" / "notes.txt").write_text("no image")
    (root / "empty.png").touch()
    (root / "text.jpg").write_text("no image")
    write_animation(root / "moving.gif")
    (root / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    Image.new("RGB", (24, 16)).save(root / "good.png")
    (root / "file").touch()

    shutil.copytree(root / "run", root / "no_checkpoint")
    shutil.rmtree(root / "no_checkpoint" / "checkpoints")
    shutil.copytree(root / "run", root / "empty_checkpoint")
    (root / "empty_checkpoint" / checkpoint_file("best")).write_bytes(b"")
    shutil.copytree(root / "run", root / "no_config")
    (root / "no_config" / CONFIG).unlink()
    (root / "model.onnx").write_text("no model")

    moving = (root / "moving.gif").read_bytes()
    for kind, broken in (
        ("empty", b""),
        ("text", b"no image"),
        ("bomb", png_that_claims(60_000, 60_000)),
        ("moving", moving),
    ):
        folder = shutil.copytree(photos, root / f"photos_{kind}")
        for path in (folder / "images").iterdir():
            path.write_bytes(broken)
    write_pairs(root / "photos_grey", "L")
    return root


@pytest.fixture(scope="module")
def configs():
    """The config of each command, composed once."""
    return {name: compose(config_name=name) for name in COMMANDS}


def run(command: str, configs, bad: Path, **settings: str) -> None:
    """Do what a command does with settings, ``{bad}`` in them being the folder."""
    config = OmegaConf.merge(configs[command], {"device": "cpu"} if "device" in configs[command] else {})
    for key, value in settings.items():
        config[key] = value.format(bad=bad) if isinstance(value, str) else value
    COMMANDS[command].work(config)


def listing(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name != ".lock")


NO_RUN = "is not a run folder: it has no config.yaml"
RUNS = {
    "missing": f"missing {NO_RUN}",
    "no_image": f"no_image {NO_RUN}",
    "no_config": f"no_config {NO_RUN}",
    "good.png": f"good.png {NO_RUN}",
    "model.onnx": rf"model\.onnx ({NO_RUN}|cannot be read as ONNX .*: export it again)",
    "no_checkpoint": r"the run .*no_checkpoint has no checkpoint best\.ckpt: it did not finish an epoch",
    "empty_checkpoint": r"empty_checkpoint/checkpoints/best\.ckpt is damaged: copy the run again",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", RUNS)
def test_a_run_that_is_none(command, given, bad, configs, tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "check_gradio", lambda: None)  # its import takes seconds
    before = listing(bad)
    settings = {"predict": {"input": "{bad}/good.png", "output": str(tmp_path / "out")}}.get(command, {})
    with pytest.raises(UserError, match=RUNS[given]):
        run(command, configs, bad, run=f"{{bad}}/{given}", **settings)
    assert listing(bad) == before
    assert listing(tmp_path) == []


INPUTS = {
    "missing.png": r"input=.*missing\.png does not exist",
    "no_image": r"input=.*no_image holds no images \(\.png, ",
    "empty.png": r"cannot read the image .*empty\.png: the file is empty",
    "text.jpg": r"cannot read the image .*text\.jpg: it is no image, or of an unknown format",
    "moving.gif": r"the image .*moving\.gif has 2 frames or pages: save each as a file of its own",
    "bomb.png": r"bomb\.png claims 60000x60000 pixels, more than max_pixels=\d+: set max_pixels=3600000000",
}


@pytest.mark.parametrize("given", INPUTS)
def test_an_input_that_is_no_image(given, bad, configs, tmp_path, capsys):
    with pytest.raises(UserError) as error:
        run("predict", configs, bad, run="{bad}/run", input=f"{{bad}}/{given}", output=str(tmp_path / "out"))
    said = f"{error.value}\n{capsys.readouterr().err}"
    assert re.search(INPUTS[given], said), said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


SPLITS = {
    "missing": r"data\.root=.*missing is not a folder",
    "no_image": r"data\.root=.*no_image holds no images with masks in an arrangement that is known: put images into",
    "photos_empty": r"cannot read the image .*: the file is empty",
    "photos_text": r"cannot read the image .*: it is no image, or of an unknown format",
    "photos_moving": r"the image .* has 2 frames or pages: save each as a file of its own",
    "photos_bomb": r"claims 60000x60000 pixels, more than the 178956970 that are read: cut it into parts",
}


@pytest.mark.parametrize("given", SPLITS)
def test_a_split_that_cannot_be_scored(given, bad, configs, tmp_path):
    with pytest.raises(UserError, match=SPLITS[given]):
        run("evaluate", configs, bad, run="{bad}/run", data_root=f"{{bad}}/{given}", output=str(tmp_path / "out"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_network_for_other_channels(bad):
    grey = compose(["data=folder", f"data.root={bad / 'photos_grey'}"], "evaluate")
    with pytest.raises(UserError, match="channels"):
        evaluate_run(bad / "run", "test", EvaluationRequest({}), device="cpu", other_data=grey)
    with pytest.raises(UserError, match="takes images of 4 channels, and image files are read as 1 or 3: give arrays"):
        read_image(bad / "good.png", channels=4)


@pytest.mark.parametrize("command", ["predict", "evaluate", "export"])
def test_an_output_that_cannot_be_written(command, bad, configs):
    settings = {"predict": {"input": "{bad}/good.png"}}.get(command, {})
    with pytest.raises(UserError, match=r"output=.*file.* cannot be written \(.*\): name another folder"):
        run(command, configs, bad, run="{bad}/run", output="{bad}/file/deep", **settings)
    assert (bad / "file").read_bytes() == b""


NO_WEIGHTS = r"holds no weights that torch\.load\(weights_only=True\) reads"
WEIGHTS = {
    "missing": r"init=.*missing does not exist: give a run folder or a file of weights",
    "no_image": r"no_image has no checkpoint best\.ckpt",
    "no_checkpoint": r"no_checkpoint has no checkpoint best\.ckpt",
    "empty_checkpoint": r"empty_checkpoint/checkpoints/best\.ckpt is damaged: copy the run again",
    "empty.png": rf"empty\.png {NO_WEIGHTS}",
    "text.jpg": rf"text\.jpg {NO_WEIGHTS}",
    "good.png": rf"good\.png {NO_WEIGHTS}",
    "moving.gif": rf"moving\.gif {NO_WEIGHTS}",
    "bomb.png": rf"bomb\.png {NO_WEIGHTS}",
    "run": r"init=.*run has no weights that fit this network: choose the model that they are of",
}


@pytest.mark.parametrize("given", WEIGHTS)
def test_weights_to_start_from_that_are_none(given, bad):
    from torch import nn

    network = nn.Conv2d(4, 8, 3)  # of other channels
    before = network.weight.clone()
    with pytest.raises(UserError, match=WEIGHTS[given]):
        start_from(network, bad / given)
    assert network.weight.equal(before)


def test_the_page_without_gradio_names_the_extra(bad, configs, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r"the page needs gradio: pip install .*demo"):
        run("demo", configs, bad, run="{bad}/run")
    assert serving.HOST == "127.0.0.1"
