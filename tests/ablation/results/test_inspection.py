"""What is read off the trained networks, against plain loops."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from segnet.ablation.results import network_inspection
from segnet.ablation.results.experiment_folder import read_experiment
from segnet.ablation.results.network_inspection import find_disagreements, inspect
from segnet.build import data_from_config, load_network
from segnet.config import load_config, read_yaml, values_to_yaml
from tests.synthetic_experiment import add_networks, one_factor, write_experiment


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("networks")
    write_experiment(root, replace(one_factor(bilinear=0.7, bed_of_nails=0.7), seeds=(0, 1)))
    add_networks(root)
    return read_experiment(root)


@pytest.fixture(scope="module")
def found(folder):
    return inspect(folder)


@pytest.mark.slow
def test_the_crops_show_what_the_networks_predict(folder, found):
    assert found.numbers["skipped"] is None
    assert found.numbers["seeds"] == {"bilinear": 0, "bed_of_nails": 0}
    assert len(found.crops) == 6
    shares = [crop.disagreement for crop in found.crops]
    assert shares == sorted(shares, reverse=True)
    run = folder.completed("as_is")["bed_of_nails"][0]
    network, data = load_network(run), data_from_config(load_config(run))
    for crop in found.crops:
        index = data.split("test").ids.index(crop.name)
        sample = data.eval_loader("test").dataset[index]
        with torch.inference_mode():
            classes = network(sample["image"][None].float() / 255)[0].argmax(0).numpy()
        (top, left), (height, width) = crop.place, crop.label.shape
        cut = np.s_[top : top + height, left : left + width]
        assert np.array_equal(crop.predictions["bed_of_nails"], classes[cut])
        assert np.array_equal(crop.label, sample["label"].numpy()[cut])
        differ = crop.predictions["bilinear"] != crop.predictions["bed_of_nails"]
        assert crop.disagreement == pytest.approx(differ[crop.label != 255].mean())


def test_a_crop_lies_where_most_pixels_differ(folder):
    run = folder.completed("as_is")["bilinear"][0]
    data = data_from_config(load_config(run))

    class Constant(torch.nn.Module):
        """Says class 0, and class 1 in a square."""

        def __init__(self, square):
            super().__init__()
            self.nothing = torch.nn.Parameter(torch.zeros(1))
            self.square = square

        def forward(self, images):
            logits = torch.zeros(len(images), 4, *images.shape[-2:])
            logits[:, 0] = 0.5
            rows, columns = self.square
            logits[:, 1, rows, columns] = 1
            return logits

    networks = {"none": Constant((slice(0), slice(0))), "some": Constant((slice(13, 21), slice(17, 25)))}
    (crop,) = find_disagreements(networks, data, [5], crops=1, side=12)
    assert crop.name == "test00005"
    assert crop.label.shape == (12, 12)
    differ = np.zeros((24, 32))
    differ[13:21, 17:25] = 1
    windows = {(t, x): differ[t : t + 12, x : x + 12].sum() for t in range(0, 13, 4) for x in range(0, 21, 4)}
    assert windows[crop.place] == max(windows.values())
    assert crop.disagreement == pytest.approx(max(windows.values()) / 144)


def test_fields_checkerboards_and_ceilings(found):
    arms = found.numbers["arms"]
    assert arms["bilinear"]["receptive_field"]["height"] > arms["bed_of_nails"]["receptive_field"]["height"]
    assert arms["bilinear"]["checkerboard"]["upsampler/overlap_unevenness"] == 0
    assert arms["bed_of_nails"]["checkerboard"]["upsampler/overlap_unevenness"] == 1
    assert found.maps["bilinear"].shape == (24, 32)
    assert {row["upsampler"] for row in found.numbers["ceiling"]} >= {"nearest", "bilinear", "bed_of_nails"}


def test_what_was_found_is_kept_until_a_run_changes(folder, found, monkeypatch):
    def refuse(*_):
        raise AssertionError("networks are loaded again")

    monkeypatch.setattr(network_inspection, "load_network", refuse)
    again = inspect(folder)
    assert again.numbers["arms"] == found.numbers["arms"]
    assert np.array_equal(again.maps["bilinear"], found.maps["bilinear"])
    for one, other in zip(again.crops, found.crops, strict=True):
        assert (one.name, one.place, one.disagreement) == (other.name, other.place, other.disagreement)
        assert np.array_equal(one.predictions["bed_of_nails"], other.predictions["bed_of_nails"])
    checkpoint = folder.completed("as_is")["bilinear"][0] / "checkpoints" / "best.ckpt"
    os.utime(checkpoint, (1, 1))
    with pytest.raises(AssertionError, match="loaded again"):
        inspect(folder)


def test_without_checkpoints_or_data_it_says_why(tmp_path):
    write_experiment(tmp_path, replace(one_factor(bilinear=0.7, nearest=0.7), seeds=(0,)))
    assert inspect(read_experiment(tmp_path)).numbers["skipped"] == "no completed run has a checkpoint"
    add_networks(tmp_path)
    for path in tmp_path.glob("runs/*/*/config.yaml"):
        config = read_yaml(path)
        gone = {
            "_target_": "segnet.data.CamVid",
            "_partial_": True,
            "root": str(tmp_path / "nowhere"),
            "download": False,
        }
        config["data"]["dataset"] = gone
        path.write_text(values_to_yaml(config))
    assert "nowhere" in inspect(read_experiment(tmp_path)).numbers["skipped"]
