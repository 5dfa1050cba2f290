"""Several labels for a pixel: what classes stand for, the labels' own logits and scores, and a whole training."""

from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import segnet
from segnet.config import compose
from segnet.data.labels import BACKGROUND, labels_of
from segnet.errors import UserError
from segnet.export.run import export_run
from segnet.losses import CrossEntropy
from segnet.run_folder import read_metrics
from segnet.tasks.segmentation.label_logits import LabelLogits
from segnet.tasks.segmentation.label_scores import label_scores
from segnet.training.run import train

EVERY_SET = [BACKGROUND, *("+".join(some) for size in (1, 2, 3) for some in combinations("abc", size))]
SOME_SETS = [BACKGROUND, "cell", "cell+nucleus"]


class Body(nn.Module):
    """Returns its input, which is taken for logits."""

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes

    def forward(self, images):
        return images


def test_labels_are_read_out_of_the_classes_names():
    labels = labels_of(["cell", BACKGROUND, "nucleus + cell", "border"])
    assert labels.names == ("cell", "nucleus", "border")
    assert labels.members.tolist() == [[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]]
    masks = labels.masks(np.array([[0, 1], [2, 3]]))
    assert masks["cell"].tolist() == [[True, False], [True, False]]
    assert masks["nucleus"].tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["sky", "road"], "such as cell\\+nucleus, and data= has sky, road: choose task=segmentation"),
        (["a+b", "b+a", "a"], "two of the classes a\\+b, b\\+a, a hold the same labels: merge them"),
    ],
)
def test_classes_that_say_no_labels_are_refused(classes, message):
    with pytest.raises(UserError, match=message):
        labels_of(classes)


def test_other_outputs_than_one_a_label_are_refused():
    with pytest.raises(UserError, match=r"model.num_classes=3 does not fit .* one output for each of 2 labels"):
        LabelLogits(Body(3), labels_of(SOME_SETS))


def test_over_every_set_of_labels_they_are_told_independently():
    labels = labels_of(EVERY_SET)
    network = LabelLogits(Body(3), labels)
    logits = torch.randn(2, 3, 6, 5) * 3
    classes = torch.randint(0, len(EVERY_SET), (2, 6, 5))
    classes[:, 0] = 255
    truth = torch.tensor(labels.members)[classes.clamp(max=7)].movedim(-1, 1)
    sums = network(logits)
    found = labels.masks(sums.argmax(1).numpy())
    for place, name in enumerate(labels.names):
        assert (found[name] == (logits[:, place] > 0).numpy()).all()
        holds = torch.tensor(labels.members[:, place])
        torch.testing.assert_close(sums.softmax(1)[:, holds].sum(1), logits[:, place].sigmoid())
    binary = F.binary_cross_entropy_with_logits(logits, truth.float(), reduction="none").sum(1)
    torch.testing.assert_close(CrossEntropy(ignore_index=255)(sums, classes), binary[classes != 255].mean())


def test_what_never_occurs_together_is_not_predicted_together():
    network = LabelLogits(Body(2), labels_of(SOME_SETS))
    nucleus_alone = torch.tensor([-1.0, 3.0]).reshape(1, 2, 1, 1)
    assert network(nucleus_alone).argmax(1).item() == SOME_SETS.index("cell+nucleus")


def test_labels_are_scored_by_the_pixels_where_they_hold_whatever_else_holds_there():
    labels = labels_of(EVERY_SET)
    generator = np.random.default_rng(0)
    truth, predicted = generator.integers(0, 8, (2, 500))
    confusion = np.zeros((8, 8), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    found = label_scores(labels, confusion)
    naive = {}
    for name in labels.names:
        here, there = labels.masks(truth)[name], labels.masks(predicted)[name]
        naive[f"label_iou/{name}"] = (here & there).sum() / (here | there).sum()
    assert found == pytest.approx({"label_miou": np.mean(list(naive.values())), **naive})


def test_labels_whose_names_are_no_names_of_folders_keep_files_of_their_own():
    files = labels_of(["a/b", "a:b", "a/b+a:b", "../x"]).files("deep/1.png")
    assert len(set(files.values())) == 3
    assert all(".." not in path.parts and path.parts[0] == "labels" for path in files.values())


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Twelve photos of green discs with a red one at their rim, a black and white mask of each."""
    root = tmp_path_factory.mktemp("cells")
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    for folder in ("images", "masks/cell", "masks/nucleus"):
        (root / folder).mkdir(parents=True)
    for place in range(12):
        y, x = generator.integers(10, 22, 2)
        cell, nucleus = ((rows - y) ** 2 + (columns - x - shift) ** 2 < size for shift, size in ((0, 60), (6, 20)))
        pixels = generator.normal(60, 10, (32, 32, 3))
        pixels[cell, 1] += 120
        pixels[nucleus, 0] += 120
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{place}.png")
        for name, mask in (("cell", cell), ("nucleus", nucleus)):
            Image.fromarray((255 * mask).astype(np.uint8)).save(root / "masks" / name / f"{place}.png")
    return root


@pytest.mark.slow
def test_a_training_on_masks_in_folders_of_labels_learns_and_is_exported(tmp_path, cells):
    network = ("encoder.widths=[4,8]", "encoder.depths=[1,1]", "logger=none", "trainer.accelerator=cpu")
    recipe = ("epochs=30", "data.batch_size=4", "optimizer.lr=0.02", "trainer.precision=32-true", "data.num_workers=0")
    config = compose(["task=segmentation_multilabel", "data=folder", f"data.root={cells}", *network, *recipe])
    assert config.model.num_classes == 2
    train(config, tmp_path / "run")
    metrics = read_metrics(tmp_path / "run")
    assert metrics["test/label_miou"] == pytest.approx(
        np.mean([metrics["test/label_iou/cell"], metrics["test/label_iou/nucleus"]])
    )
    model = segnet.load(tmp_path / "run", precision="32-true")
    assert model.classes == (BACKGROUND, "cell", "nucleus", "cell+nucleus")
    result = model.predict(cells / "images" / "0.png")
    for name, found in result.label_masks().items():
        with Image.open(cells / "masks" / name / "0.png") as file:
            truth = np.asarray(file) > 0
        assert (found & truth).sum() / (found | truth).sum() > 0.7
    result.write(tmp_path, "0.png", ("labels",), 0.5)
    with Image.open(tmp_path / "labels" / "cell" / "0.png") as file:
        assert (np.asarray(file) == 255 * result.label_masks()["cell"]).all()
    exported = segnet.load(export_run(tmp_path / "run", "onnx").path)
    assert np.abs(exported.predict(cells / "images" / "0.png").probabilities - result.probabilities).max() < 1e-4


def test_a_result_of_one_class_a_pixel_has_no_labels(tmp_path):
    from segnet.tasks.segmentation.result import SegmentationResult

    result = SegmentationResult(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8), None, ("a",), ((0, 0, 0),))
    with pytest.raises(UserError, match="labels only with task=segmentation_multilabel"):
        result.label_masks()
