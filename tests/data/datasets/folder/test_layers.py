"""Masks in a folder for each label, of which several may hold for the same pixel."""

import numpy as np
import pytest
from PIL import Image

from segnet.data.datasets.folder import Folder, describe_folder
from segnet.data.verification.folder import folder_splits
from segnet.errors import UserError

CELL = np.zeros((6, 8), bool)
CELL[1:5, 1:6] = True
NUCLEUS = np.zeros((6, 8), bool)
NUCLEUS[2:4, 4:7] = True


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    for number in range(8):
        write(tmp_path / f"images/{number}.png", np.full((6, 8, 3), 9 * number))
        write(tmp_path / f"masks/cell/{number}.png", CELL * 255)
        write(tmp_path / f"masks/nucleus/{number}.png", NUCLEUS * 1)
    return tmp_path


def label(root, number=3):
    for split in ("train", "val", "test"):
        data = Folder(split, root)
        if f"images/{number}.png" in data.ids:
            return data.load(data.ids.index(f"images/{number}.png"), np.random.default_rng(0))[1]
    raise AssertionError(number)


def test_classes_are_the_sets_of_labels_that_occur(root):
    found = describe_folder(root)
    assert (found.masks, list(found.classes)) == ("layers", ["background", "cell", "nucleus", "cell+nucleus"])
    assert (label(root) == CELL + 2 * NUCLEUS).all()


def test_a_mask_may_be_black_and_white_in_rgb(root):
    write(root / "masks/cell/3.png", np.repeat(CELL[..., None] * 255, 3, axis=2))
    assert (label(root) == CELL + 2 * NUCLEUS).all()


def test_a_label_without_a_mask_of_an_image_does_not_hold_there(root):
    (root / "masks/cell/3.png").unlink()
    assert (label(root) == 2 * NUCLEUS).all()


def test_sets_are_merged_and_ignored_by_name(root):
    (root / "dataset.yaml").write_text("merge: {cell: [cell, cell+nucleus]}\n")
    assert list(describe_folder(root).classes) == ["background", "cell", "nucleus"]
    assert (label(root) == np.where(CELL, 1, 2 * NUCLEUS)).all()
    (root / "dataset.yaml").write_text("ignore: [nucleus]\n")
    assert (label(root) == np.select([CELL & NUCLEUS, CELL, NUCLEUS], [2, 1, 255])).all()


def test_its_files_are_the_image_and_every_mask(root):
    data = Folder("train", root)
    assert [path.parent.name for path in data.files(0)] == ["images", "cell", "nucleus"]


def test_folders_of_splits_are_no_labels(tmp_path):
    for split in ("train", "val"):
        for number in range(2):
            write(tmp_path / f"images/{split}/{number}.png", np.full((6, 8, 3), 9 * number))
            write(tmp_path / f"masks/{split}/cell/{number}.png", CELL * 255)
            write(tmp_path / f"masks/{split}/nucleus/{number}.png", NUCLEUS * 255)
    found = describe_folder(tmp_path)
    assert (found.masks, len(Folder("val", tmp_path).ids)) == ("layers", 2)


BROKEN = {
    "smoothed edges": (
        lambda root: write(root / "masks/cell/3.png", CELL * np.arange(8) * 30),
        r"the mask .*3\.png holds 6 values, and the mask of one label is black and white",
    ),
    "another size": (
        lambda root: write(root / "masks/nucleus/3.png", NUCLEUS[:4] * 255),
        r"image and mask differ in size: the image is 8x6, and .*3\.png is 8x4",
    ),
    "no mask of an image": (
        lambda root: [(root / f"masks/{name}/3.png").unlink() for name in ("cell", "nucleus")],
        r"images/3\.png in .* have no mask",
    ),
    "no image of a mask": (lambda root: (root / "images/3.png").unlink(), r"masks/cell/3\.png, .* have no image"),
    "an unknown set": (
        lambda root: (root / "dataset.yaml").write_text("classes: [background, cell, nucleus]\n"),
        r"hold cell\+nucleus together, which no class in .*dataset\.yaml has: add it to a class, or to ignore",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_a_sentence(root, name):
    break_it, message = BROKEN[name]
    break_it(root)
    with pytest.raises(UserError, match=message):
        label(root)


def test_verification_names_a_mask_that_is_not_black_and_white(root):
    BROKEN["smoothed edges"][0](root)
    [problem] = folder_splits(root).problems
    assert (problem.severity, problem.file) == ("error", "images/3.png")
    assert "black and white" in problem.detail
