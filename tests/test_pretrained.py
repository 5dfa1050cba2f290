"""The networks that come with the package are what they say, and are small."""

import json

import numpy as np
import pytest

import segnet
from segnet.inference.scoring import score_run
from segnet.pretrained import locate, names

NAMES = names()


def test_there_is_one_for_camvid():
    assert "camvid" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_comes_along_is_whole_and_small(name):
    folder = locate(f"pretrained/{name}")
    assert (folder / "model.safetensors").stat().st_size < 10e6
    stated = json.loads((folder / "metrics.json").read_text())["test/miou"]
    assert f"| miou | {stated:.4f} |" in (folder / "README.md").read_text()
    model = segnet.load(f"pretrained/{name}")
    result = model.predict(np.zeros((45, 60, model.facts.channels), np.uint8))
    assert result.probabilities.shape == (len(model.classes), 45, 60)


@pytest.mark.slow
@pytest.mark.camvid
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("camvid")])
def test_it_scores_what_it_states(name):
    stated = json.loads((locate(f"pretrained/{name}") / "metrics.json").read_text())["test/miou"]
    found = score_run(f"pretrained/{name}", "test").scores["test/miou"]
    assert found == pytest.approx(stated, abs=1e-6)  # a few of 40 million pixels differ between numbers of threads
