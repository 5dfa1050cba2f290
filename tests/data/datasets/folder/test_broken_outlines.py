"""Outlines of other tools that are not what they should be: a problem of that image, or a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest

from segnet.data.datasets.folder import describe_folder
from segnet.data.datasets.folder.layout import find_layout
from segnet.data.datasets.folder.shapes import Outline, to_mask
from segnet.data.verification import folder_splits
from segnet.errors import UserError
from tests.data.datasets.folder.outline_files import FORMS, write_json, write_labelme, write_yolo


def change(root: Path, form: str, do) -> None:
    """Change the first label of a set."""
    path = {"labelme": "0.json", "coco": "annotations/instances_default.json", "yolo": "labels/train/0.txt"}[form]
    if form == "yolo":
        (root / path).write_text(do)
    else:
        content = json.loads((root / path).read_text())
        do(content)
        write_json(root / path, content)


BROKEN = {
    "a line": (
        "labelme",
        lambda c: c["shapes"][0].update(shape_type="linestrip"),
        "holds 'bag' as a linestrip: only regions",
    ),
    "two points": (
        "labelme",
        lambda c: c["shapes"][0].update(points=[[1, 1], [2, 2]]),
        "an outline 'bag' of 4 numbers: it",
    ),
    "points that are text": ("labelme", lambda c: c["shapes"][0].update(points="x"), "a shape without label or points"),
    "no shapes": ("labelme", lambda c: c.pop("shapes"), "is no file of Labelme's: it has no list of shapes"),
    "another size": ("labelme", lambda c: c.update(imageHeight=9), "is of an image of 16x9, which has 16x12"),
    "a mask that is none": (
        "labelme",
        lambda c: c["shapes"][0].update(shape_type="mask", mask="!"),
        "holds a mask that cannot be read",
    ),
    "a box": (
        "coco",
        lambda c: c["annotations"][0].update(segmentation=[]),
        "holds a 'bag' without an outline (annotation 0)",
    ),
    "three numbers": ("coco", lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3]]), "'bag' of 3 numbers"),
    "run lengths of another image": (
        "coco",
        lambda c: c["annotations"][0].update(segmentation={"size": [5, 5], "counts": [25]}),
        "the outline 'bag' cannot be read: it is of an image of 5x5 pixels",
    ),
    "run lengths without a size": (
        "coco",
        lambda c: c["annotations"][0].update(segmentation={"counts": [25]}),
        "run lengths have no counts and size",
    ),
    "an image of another size": (
        "coco",
        lambda c: c["images"][0].update(width=99),
        "is 16x12, and instances_default.json says",
    ),
    "an image that is not there": ("coco", lambda c: c["images"][0].update(file_name="gone.png"), "it has no image"),
    "boxes": ("yolo", "0 0.5 0.5 0.1 0.1\n", "line 1 holds a box and no outline"),
    "pixels": ("yolo", "0 10 10 20 10 20 20\n", "line 1: expected a class and three or more points, as shares"),
    "words": ("yolo", "car 0.1 0.1 0.2 0.1 0.2 0.2\n", "line 1: expected numbers, got 'car"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_a_problem_of_that_image(name, tmp_path):
    form, do, message = BROKEN[name]
    FORMS[form](tmp_path / "photos")
    change(tmp_path / "photos", form, do)
    problems = folder_splits(tmp_path / "photos").problems
    assert len(problems) == 1
    assert message in problems[0].detail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{train: images/train}", "does not describe a data set: it needs names and train"),
        ("{names: [a, b], train: nowhere}", "names nowhere, which is not in "),
        ("{names: [a, b], train: images/train, path: nowhere}", "path is nowhere, and there is no such folder"),
        ("{names: 2, train: images/train}", "names is 2, and has to be a list of names"),
        ("{names: [a, b], train: images/train, masks_dir: m, label_mapping: 3}", "label_mapping is 3, and has to be"),
        ("{names: [a", "is not a YAML file"),
        (
            "{names: [a, b], train: !!python/object/apply:os.system [ls]}",
            "is not a YAML file: could not determine",
        ),
    ],
)
def test_a_yaml_that_is_wrong_is_a_sentence(text, message, tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        find_layout(tmp_path / "a.yaml")


def test_a_truncated_json_is_no_file_of_coco(tmp_path):
    write_labelme(tmp_path)
    (tmp_path / "0.json").write_text('{"shapes": [')
    with pytest.raises(UserError, match=r"cannot read the label .*0.json: it is not a JSON file"):
        describe_folder(tmp_path)


def test_pixels_inside_follow_cocos_rule():
    inside = to_mask(Outline("a", [[1, 1, 4, 1, 4, 3, 1, 3]]), (5, 6))
    assert np.argwhere(inside).tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]
