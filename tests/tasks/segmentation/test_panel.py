import io

import numpy as np
import pytest
from PIL import Image

import segnet
from segnet.build import data_from_config
from segnet.config import load_config
from segnet.metrics import read_scores
from segnet.run_folder import scores_file
from segnet.tasks.segmentation.panel import draw_panel, image_mious


def test_the_panel_is_a_picture(run):
    run_dir, _ = run
    with Image.open(run_dir / "predictions.png") as picture:
        picture.load()
        assert picture.width > 800


def test_images_are_scored_as_the_run_counted_them(run):
    run_dir, _ = run
    data = data_from_config(load_config(run_dir))
    found = image_mious(segnet.load(run_dir).network, data, "test")
    counted = read_scores(scores_file(run_dir, "test")).confusions
    assert len(found) == 4
    expected = []
    for confusion in counted.astype(float):
        union = confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
        expected.append((confusion.diagonal()[union > 0] / union[union > 0]).mean())
    assert found == pytest.approx(expected)


def test_rows_of_mixed_sizes_leave_no_gap(run, monkeypatch):
    run_dir, _ = run
    data = data_from_config(load_config(run_dir))
    split = data.split("test")
    whole = split.load

    def load(index, random):
        image, label = whole(index, random)
        return (image[:8], label[:8]) if index % 2 else (image, label)

    monkeypatch.setattr(split, "load", load)
    monkeypatch.setattr(data, "sizes", lambda name: [(16, 24), (8, 24)] * 2)
    with Image.open(io.BytesIO(draw_panel(segnet.load(run_dir).network, data, "test"))) as picture:
        pixels = np.asarray(picture.convert("L"))
    empty = (pixels > 250).all(axis=1)
    # Longest run of empty rows: titles and legend interrupt them, and so do pictures.
    changes = np.flatnonzero(np.diff(np.concatenate([[0], empty.astype(int), [0]])))
    assert (changes[1::2] - changes[::2]).max() < 60
