import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import segnet
from segnet.config import read_yaml, values_to_yaml
from segnet.errors import UserError
from segnet.inference.inputs import as_image

IMAGE = np.random.default_rng(0).integers(0, 256, (17, 22, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(segmentation_run):
    return segnet.load(segmentation_run, device="cpu", precision="32-true")


def test_a_result_has_mask_probabilities_overlay_and_classes(model, tmp_path):
    result = model.predict(IMAGE)
    logits = model.network(torch.from_numpy(IMAGE).permute(2, 0, 1)[None].float() / 255)[0]
    assert result.mask.dtype == np.uint8
    assert np.array_equal(result.mask, logits.argmax(0).numpy())
    assert np.allclose(result.probabilities, logits.softmax(0).detach().numpy(), atol=1e-6)
    assert result.classes == model.classes == ("background", "pole", "disc", "polygon")
    assert np.array_equal(result.overlay(0.0), IMAGE)
    assert np.array_equal(result.overlay(1.0), np.array(model.colours)[result.mask])
    result.save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as picture:
        assert np.array_equal(np.asarray(picture), result.mask)
    result.save(tmp_path / "all.npz", "probabilities")
    with np.load(tmp_path / "all.npz") as stored:
        assert np.allclose(stored["probabilities"], result.probabilities, atol=1e-3)
        assert tuple(stored["classes"]) == model.classes
    assert model.predict(IMAGE, probabilities=False).probabilities is None
    with pytest.raises(UserError, match="has another ending"):
        result.save(tmp_path / "mask.jpg")
    with pytest.raises(UserError, match="kind=masks is not known: choose one of index"):
        result.save(tmp_path / "mask.png", "masks")


def test_path_pillow_array_and_tensor_are_one_image(model, tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "image.png")
    tensor = torch.from_numpy(IMAGE).permute(2, 0, 1)
    expected = model.predict(IMAGE).mask
    floats = (IMAGE / 255).astype(np.float32)
    for given in (tmp_path / "image.png", str(tmp_path / "image.png"), Image.fromarray(IMAGE), tensor, floats):
        assert np.array_equal(model.predict(given).mask, expected)
    for several in ([IMAGE, tensor], tensor.expand(2, -1, -1, -1), np.stack([IMAGE, IMAGE])):
        results = model.predict(several)
        assert len(results) == 2
        assert all(np.array_equal(result.mask, expected) for result in results)
    mixed = model.predict([IMAGE, IMAGE[:9], IMAGE])
    assert [result.mask.shape for result in mixed] == [(17, 22), (9, 22), (17, 22)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((4, 5, 4), np.uint8), r"array has the shape \(4, 5, 4\), and this network takes \(H, W, 3\) or"),
        (torch.zeros(2, 4, 5), r"tensor has the shape \(2, 4, 5\), and this network takes \(3, H, W\) or"),
        (np.full((4, 5, 3), 254.0), r"holds floats from 254 to 254, and floats are images in 0..1: divide it by 255"),
        (np.full((4, 5, 3), -1.0), r"holds floats from -1 to -1, .* scale its values"),
        (np.full((4, 5, 3), np.nan), r"holds floats from nan to nan"),
        (np.zeros((4, 5, 3), np.int64), r"holds int64, whose range is not known: give uint8, or floats"),
        (Image.new("I;16", (4, 5)), r"mode I;16 has no known range"),
        (7, "a int is no image: give a path"),
    ],
)
def test_what_is_no_image_for_the_network_is_refused(given, message):
    with pytest.raises(UserError, match=message):
        as_image(given, channels=3)


def test_what_is_neither_an_image_nor_several_is_refused(model):
    with pytest.raises(UserError, match="a int is no image: give a path"):
        model.predict(7)


def test_grey_becomes_colour_by_repetition():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert np.array_equal(as_image(grey, 3), np.stack([grey] * 3, axis=-1))
    assert np.array_equal(as_image(torch.from_numpy(grey)[None], 3), as_image(grey, 3))
    assert as_image(grey, 1).shape == (2, 3, 1)


def test_the_bare_network_refuses_other_channels_and_bytes(model):
    with pytest.raises(ValueError, match=r"takes images \(N, 3, H, W\), not \(1, 1, 8, 8\)"):
        model.network(torch.rand(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"takes floats in 0..1, not torch.uint8: divide bytes by 255"):
        model.network(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_a_run_predicts_without_its_data_sets_code_or_files(segmentation_run, tmp_path):
    shutil.copytree(segmentation_run, tmp_path / "run")
    values = read_yaml(tmp_path / "run" / "config.yaml")
    values["data"]["dataset"] = {"_target_": "somebody.elses.DataSet", "_partial_": True, "root": "/nowhere"}
    values["data"]["augmentation"]["_target_"] = "somebody.elses.Augmentation"
    (tmp_path / "run" / "config.yaml").write_text(values_to_yaml(values))
    with pytest.raises(UserError, match=r"names somebody\.elses\.Augmentation, somebody\.elses\.DataSet, which is"):
        segnet.load(tmp_path / "run")
    moved = segnet.load(tmp_path / "run", precision="32-true", allow_code=True)
    original = segnet.load(segmentation_run, precision="32-true")
    assert moved.facts == original.facts
    assert np.array_equal(moved.predict(IMAGE).mask, original.predict(IMAGE).mask)


def test_a_run_that_does_not_state_its_classes_is_asked_through_its_data_set(segmentation_run, tmp_path, monkeypatch):
    from segnet import build

    shutil.copytree(segmentation_run, tmp_path / "run")
    values = read_yaml(tmp_path / "run" / "config.yaml")
    data = build.data_from_config(build.load_config(tmp_path / "run"))
    del values["data"]["channels"]
    (tmp_path / "run" / "config.yaml").write_text(values_to_yaml(values))
    monkeypatch.setattr(build, "data_from_config", lambda config: data)
    assert segnet.load(tmp_path / "run").facts == segnet.load(segmentation_run).facts


def test_super_resolution_enlarges(enlarging_run, tmp_path):
    model = segnet.load(enlarging_run, precision="32-true")
    result = model.predict(IMAGE)
    assert result.enlarged.shape == (34, 44, 3)
    expected = model.network(torch.from_numpy(IMAGE).permute(2, 0, 1)[None].float() / 255)[0].clamp(0, 1)
    assert np.abs(result.enlarged - 255 * expected.permute(1, 2, 0).detach().numpy()).max() <= 0.51
    result.save(tmp_path / "large.png")
    with Image.open(tmp_path / "large.png") as picture:
        assert np.array_equal(np.asarray(picture), result.enlarged)
    with pytest.raises(UserError, match=r"written as \.png"):
        result.save(tmp_path / "large.jpg")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"precision": "64-true"}, "precision=64-true is not allowed: give one of auto"),
        ({"memory_gib": 0}, "memory_gib=0 is not allowed"),
        ({"flips": "all"}, "flips=all is not allowed: give one of none, horizontal, both"),
        ({"device": "abacus"}, "device=abacus is not known"),
    ],
)
def test_settings_are_checked(segmentation_run, setting, message):
    with pytest.raises(UserError, match=message):
        segnet.load(segmentation_run, **setting)
