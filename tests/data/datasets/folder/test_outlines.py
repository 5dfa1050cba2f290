"""Labels of other tools: outlines of Labelme, COCO and YOLO, Ultralytics' YAML, CVAT's masks."""

import base64
import io

import numpy as np
import pytest
import yaml
from PIL import Image

from segnet.data.datasets.folder import Folder, describe_folder
from segnet.data.datasets.folder.layout import find_layout
from segnet.data.verification import folder_splits
from segnet.errors import UserError
from tests.data.datasets.folder.outline_files import (
    FORMS,
    HEIGHT,
    LARGE,
    WIDTH,
    annotation,
    coco,
    expected,
    first,
    labelme,
    photo,
    write_json,
    write_yolo,
)


@pytest.mark.parametrize("form", FORMS)
def test_outlines_become_pixels_the_smaller_or_later_one_on_top(form, tmp_path):
    root = tmp_path / "photos"
    FORMS[form](root)
    description = describe_folder(root)
    assert (description.masks, list(description.classes)) == (form, ["background", "bag", "car"])
    assert np.array_equal(first(root), expected(0, 2, 1))
    sizes = [len(Folder(split, root).ids) for split in ("train", "val", "test")]
    assert sizes == ([3, 4, 1] if form == "yolo" else [4, 1, 1])
    assert folder_splits(root).problems == []


@pytest.mark.parametrize("form", FORMS)
def test_names_can_be_merged_and_ignored(form, tmp_path):
    root = tmp_path / "photos"
    FORMS[form](root)
    describe_folder(root)
    content = yaml.safe_load((root / "dataset.yaml").read_text())
    car, bag = content["classes"]["car"]["names"], content["classes"]["bag"]["names"]
    content["classes"] = {"thing": {"names": [*car, *bag]}, "other": {"names": ["nothing"]}}
    content["ignore"] = ["background"]
    (root / "dataset.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    assert np.array_equal(first(root), expected(255, 0, 0))
    content["classes"]["thing"]["names"] = car
    (root / "dataset.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(UserError, match=rf"holds an outline {bag[0]} of \d.png, which no class in .*dataset.yaml"):
        first(root)


def test_an_ultralytics_yaml_is_the_root_and_nothing_in_it_runs(tmp_path):
    write_yolo(tmp_path / "photos")
    root = tmp_path / "camvid.yaml"
    before = root.read_bytes()
    assert list(describe_folder(root).classes) == ["background", "bag", "car"]
    assert np.array_equal(first(root), expected(0, 2, 1))
    assert Folder("val", root).ids[0] == "photos/images/val/0.png"
    assert (tmp_path / "camvid.dataset.yaml").is_file()
    assert root.read_bytes() == before


def test_yolo_without_a_yaml_and_images_without_objects(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "labels/val/0.txt").unlink()
    assert list(describe_folder(tmp_path).classes) == ["background", "class_0", "class_1"]
    assert not first(tmp_path, "val").any()
    assert len(Folder("val", tmp_path).files(0)) == 1


def test_ultralytics_masks_are_read_by_their_values(tmp_path):
    for split in ("train", "val"):
        for number in range(4):
            photo(tmp_path / f"set/images/{split}/{number}.png", number)
            path = tmp_path / f"set/masks/{split}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(expected(255, 7, 8)).save(path)
    content = {
        "path": "set",
        "train": ["images/train"],
        "val": "images/val",
        "masks_dir": "masks",
        "names": ["car", "bag"],
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(content | {"label_mapping": {7: 0, 8: 1, 3: 255, -1: 255}}))
    assert describe_folder(tmp_path / "a.yaml").ignore == [255, 3]
    assert np.array_equal(first(tmp_path / "a.yaml"), expected(255, 0, 1))
    (tmp_path / "set/masks/train/1.png").unlink()
    with pytest.raises(UserError, match=r"set/images/train/1.png in .* have no mask"):
        find_layout(tmp_path / "a.yaml")
    assert [one.kind for one in folder_splits(tmp_path / "a.yaml").problems] == ["missing pair"]


def test_lists_in_text_files(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "some.txt").write_text("./images/train/2.png\nimages/train/3.png\n")
    (tmp_path / "data.yaml").write_text("{train: some.txt, val: images/val, names: [bag, car]}")
    assert Folder("val", tmp_path).ids == [f"images/val/{number}.png" for number in range(4)]
    assert {sample.image.name for sample in find_layout(tmp_path).splits["train"]} == {"2.png", "3.png"}


def test_regions_of_coco_can_have_parts_holes_and_run_lengths(tmp_path):
    whole = expected(0, 1, 0)
    flat = whole.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    from pycocotools import mask as masks

    packed = masks.encode(np.asfortranarray(whole))
    packed["counts"] = packed["counts"].decode()
    parts = [[0, 0, 4, 0, 4, 12, 0, 12], [12, 0, 16, 0, 16, 12, 12, 12]]
    regions = [{"size": [HEIGHT, WIDTH], "counts": counts}, packed, parts]
    for number in range(3):
        photo(tmp_path / f"images/{number}.png", number)
    content = coco(
        [f"{n}.png" for n in range(3)], [annotation(n, 7 + n, 3, region) for n, region in enumerate(regions)]
    )
    write_json(tmp_path / "annotations.json", content)
    samples = {}
    for split in ("train", "val", "test"):
        data = Folder(split, tmp_path)
        samples |= {name: data.load(index, np.random.default_rng())[1] for index, name in enumerate(data.ids)}
    assert np.array_equal(samples["images/0.png"], whole)
    assert np.array_equal(samples["images/1.png"], whole)
    assert samples["images/2.png"][0].tolist() == [1] * 4 + [0] * 8 + [1] * 4


def test_splits_of_coco_come_from_the_names_of_its_files(tmp_path):
    for split in ("train", "valid", "test"):  # Roboflow's arrangement
        names = [f"{split}_{number}.png" for number in range(3)]
        for number, name in enumerate(names):
            photo(tmp_path / split / name, number)
        content = coco(names, [annotation(n, 7 + n, 3, [LARGE]) for n in range(3)])
        write_json(tmp_path / split / "_annotations.coco.json", content)
    assert [Folder(split, tmp_path).ids[0] for split in ("train", "val", "test")] == [
        "train/train_0.png",
        "valid/valid_0.png",
        "test/test_0.png",
    ]


def test_all_shapes_of_labelme_that_have_an_area(tmp_path):
    picture = io.BytesIO()
    Image.fromarray(np.full((2, 3), 255, np.uint8)).save(picture, "PNG")
    content = labelme(("car", "rectangle", [[1, 1], [5, 4]]), ("bag", "circle", [[10, 6], [13, 6]]))
    mask = {"label": "car", "shape_type": "mask", "points": [[12, 0], [14, 1]]}
    content["shapes"].append(mask | {"mask": base64.b64encode(picture.getvalue()).decode()})
    content["shapes"].append(
        {"label": "__ignore__", "shape_type": "polygon", "points": [[0, 10], [4, 10], [4, 12], [0, 12]]}
    )
    for number in range(4):
        photo(tmp_path / f"{number}.png", number)
        write_json(tmp_path / f"{number}.json", content)
    label = first(tmp_path)
    assert (label[1:4, 1:5] == 2).all()
    assert (label[:2, 12:15] == 2).all()
    assert (label[10:, :4] == 255).all()
    assert abs(int((label == 1).sum()) - np.pi * 9) < 4


def test_cvats_masks_have_the_names_of_its_label_map(tmp_path):
    for number in range(4):
        photo(tmp_path / f"JPEGImages/{number}.jpg", number)
        path = tmp_path / f"SegmentationClass/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        colours = np.array([[0, 0, 0], [250, 50, 83], [61, 61, 245]], np.uint8)
        Image.fromarray(colours[expected(0, 1, 2)]).save(path)
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/default.txt").write_text("0\n1\n2\n3\n")
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nbag:61,61,245::\ncar:250,50,83::\ntram:1,2,3::\n"
    )
    description = describe_folder(tmp_path)
    assert list(description.classes) == ["background", "bag", "car", "tram"]
    assert np.array_equal(first(tmp_path), expected(0, 2, 1))
    (tmp_path / "labelmap.txt").write_text("bag 61 61 245\n")
    with pytest.raises(UserError, match=r"labelmap.txt, line 1: expected NAME:RED,GREEN,BLUE::, got 'bag 61 61 245'"):
        find_layout(tmp_path)


def test_vocs_lists_say_the_splits(tmp_path):
    for number in range(5):
        photo(tmp_path / f"JPEGImages/{number}.jpg", number)
        path = tmp_path / f"SegmentationClass/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(expected(0, 1, 2)).save(path)
    photo(tmp_path / "JPEGImages/without_a_mask.jpg")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for split, names in {"train": "0\n1\n", "val": "2\n3\n", "test": "4\n", "trainval": "0\n1\n2\n3\n"}.items():
        (lists / f"{split}.txt").write_text(names)
    found = find_layout(tmp_path).splits
    assert {split: len(samples) for split, samples in found.items()} == {"test": 1, "train": 2, "val": 2}
