"""What ``segnet-predict`` takes and prints, called in this process."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from segnet.cli import predict
from segnet.config import compose
from segnet.errors import UserError
from tests.inference.test_video import TIMES, write_video


@pytest.fixture
def run_predict(tmp_path):
    """Predict with the network of CamVid that comes with the package, into ``tmp_path/out``."""

    def run(**settings):
        chosen = {"run": "pretrained/camvid", "device": "cpu", "output": str(tmp_path / "out")} | settings
        predict.work(OmegaConf.merge(compose(config_name="predict"), chosen))
        return tmp_path / "out"

    return run


def give(monkeypatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_an_image_from_the_standard_input(run_predict, tmp_path, monkeypatch, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    give(monkeypatch, (tmp_path / "photo.png").read_bytes())
    out = run_predict(input="-")
    assert "1 image predicted" in capsys.readouterr().out
    run_predict(input=str(tmp_path / "photo.png"))
    for kind in ("index", "colour", "overlay"):
        assert (out / kind / "stdin.png").read_bytes() == (out / kind / "photo.png").read_bytes()


@pytest.mark.parametrize(("content", "why"), [(b"", "the file is empty"), (b"no image", "it is no image")])
def test_a_standard_input_that_is_no_image(run_predict, monkeypatch, capsys, content, why):
    give(monkeypatch, content)
    with pytest.raises(UserError, match="1 of 1 files could not be read"):
        run_predict(input="-")
    assert f"cannot read the image from the standard input: {why}" in capsys.readouterr().err


def test_frames_per_second_of_a_video_are_printed(run_predict, tmp_path, capsys):
    out = run_predict(input=str(write_video(tmp_path / "drive.mkv")))
    printed = " ".join(capsys.readouterr().out.split())
    found = re.search(r"(\d+) frames predicted, ([\d.]+) per second: (.*)", printed)
    assert found, printed
    assert int(found[1]) == len(TIMES)
    assert float(found[2]) > 0
    assert (out / "drive.mp4").is_file() or (out / "overlay" / "drive.mp4").is_file()
