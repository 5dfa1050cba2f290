"""One logit for two classes: binary cross-entropy, and a training, an export and a prediction like any other."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import segnet
from segnet.build import build_network
from segnet.config import compose
from segnet.errors import UserError
from segnet.export.run import export_run
from segnet.losses import CrossEntropy
from segnet.models.network import SegmentationNetwork
from segnet.tasks.segmentation.one_logit import OneLogit
from segnet.training.run import train

BINARY = ("task=segmentation_binary", "data=camvid", "decoder=mirror", "encoder.widths=[4,8]", "encoder.depths=[1,1]")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve photos of a bright disc on a dark ground, their masks 0 and 255."""
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    rows, columns = np.mgrid[:32, :32]
    for place in range(12):
        centre = generator.integers(8, 24, 2)
        disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < 40
        pixels = generator.normal(60, 20, (32, 32, 3)) + 120 * disc[..., None]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{place}.png")
        Image.fromarray((255 * disc).astype(np.uint8)).save(root / "masks" / f"{place}.png")
    return root


def test_its_cross_entropy_is_the_binary_one():
    network = build_network(BINARY)
    images = torch.rand(2, 3, 16, 24)
    labels = torch.randint(0, 2, (2, 16, 24))
    labels[:, 0] = 255
    logits = network(images)
    counted = labels != 255
    expected = F.binary_cross_entropy_with_logits(network.body(images)[:, 0][counted], labels[counted].float())
    torch.testing.assert_close(CrossEntropy(ignore_index=255)(logits, labels), expected)


def test_its_head_has_one_output():
    network = build_network(BINARY)
    assert isinstance(network, OneLogit)
    assert isinstance(network.body, SegmentationNetwork)
    assert network.body.head.out_channels == 1
    assert network(torch.rand(1, 3, 8, 8)).shape == (1, 2, 8, 8)


def test_more_than_two_classes_are_refused(tiny_config, tmp_path):
    with pytest.raises(UserError, match="task=segmentation_binary tells apart two classes, and data= has 4: choose"):
        train(tiny_config("task=segmentation_binary"), tmp_path)


def test_more_outputs_are_refused():
    with pytest.raises(
        UserError, match=r"model.num_classes=2 does not fit task=segmentation_binary, whose network has one"
    ):
        build_network((*BINARY, "model.num_classes=2"))


@pytest.mark.slow
def test_a_training_on_masks_of_0_and_255_learns_and_is_exported(tmp_path, photos):
    network = ("encoder.widths=[4,8]", "encoder.depths=[1,1]", "logger=none", "trainer.accelerator=cpu")
    recipe = ("epochs=12", "data.batch_size=4", "optimizer.lr=0.02", "trainer.precision=32-true", "data.num_workers=0")
    config = compose(["task=segmentation_binary", "data=folder", f"data.root={photos}", *network, *recipe])
    train(config, tmp_path / "run")
    model = segnet.load(tmp_path / "run", precision="32-true")
    with Image.open(photos / "masks" / "0.png") as file:
        disc = np.asarray(file) > 0
    result = model.predict(photos / "images" / "0.png")
    assert result.probabilities.shape == (2, 32, 32)
    assert (result.mask.astype(bool) == disc).mean() > 0.95
    exported = segnet.load(export_run(tmp_path / "run", "onnx").path)
    assert np.abs(exported.predict(photos / "images" / "0.png").probabilities - result.probabilities).max() < 1e-4
