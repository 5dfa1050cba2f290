"""Labels of other tools: outlines of Labelme, COCO and YOLO, Ultralytics' YAML, CVAT's masks."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from segnet.data.datasets.folder import Folder, describe_folder
from segnet.data.datasets.folder.layout import find_layout
from segnet.data.datasets.folder.shapes import Outline, to_mask
from segnet.data.verification import folder_splits
from segnet.errors import UserError

HEIGHT, WIDTH = 12, 16
LARGE = [1, 1, 11, 1, 11, 9, 1, 9]  # x from 1 to 10, y from 1 to 8
SMALL = [3, 3, 7, 3, 7, 6, 3, 6]


def photo(path: Path, number: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def pairs(numbers: list[float]) -> list[list[float]]:
    return np.reshape(numbers, (-1, 2)).tolist()


def labelme(*shapes: tuple[str, str, list[list[float]]], size: tuple[int, int] = (HEIGHT, WIDTH)) -> dict:
    listed = [{"label": name, "shape_type": kind, "points": points} for name, kind, points in shapes]
    return {"shapes": listed, "imageHeight": size[0], "imageWidth": size[1], "imagePath": "x.png", "imageData": None}


def annotation(number: int, image: int, category: int, region: object) -> dict:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": region, "bbox": [0, 0, 1, 1]}


def coco(names: list[str], annotations: list[dict]) -> dict:
    images = [{"id": 7 + n, "file_name": name, "height": HEIGHT, "width": WIDTH} for n, name in enumerate(names)]
    categories = [{"id": 3, "name": "car"}, {"id": 1, "name": "bag"}, {"id": 9, "name": "never used"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def yolo_line(number: int, outline: list[float]) -> str:
    shares = [value / (HEIGHT if place % 2 else WIDTH) for place, value in enumerate(outline)]
    return f"{number} {' '.join(f'{share:.6f}' for share in shares)}\n"


def write_labelme(root: Path) -> None:
    for number in range(6):
        photo(root / f"{number}.png", number)
        shapes = ("bag", "polygon", pairs(SMALL)), ("car", "polygon", pairs(LARGE)), ("bag", "polygon", pairs(SMALL))
        write_json(root / f"{number}.json", labelme(*shapes))


def write_coco(root: Path) -> None:
    names = [f"{number}.png" for number in range(6)]
    outlines = []
    for number, name in enumerate(names):
        photo(root / "images" / name, number)
        outlines += [annotation(2 * number, 7 + number, 1, [SMALL]), annotation(2 * number + 1, 7 + number, 3, [LARGE])]
    write_json(root / "annotations" / "instances_default.json", coco(names, outlines))


def write_yolo(root: Path) -> None:
    for split in ("train", "val"):
        for number in range(4):
            photo(root / f"images/{split}/{number}.png", number)
            label = root / f"labels/{split}/{number}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(yolo_line(0, SMALL) + yolo_line(1, LARGE))
    names = {0: "bag", 1: "car"}
    content = {"path": "photos", "train": "images/train", "val": "images/val", "names": names, "download": "rm -rf /"}
    (root / "data.yaml").write_text(yaml.safe_dump(content | {"path": None}))
    (root.parent / "camvid.yaml").write_text(yaml.safe_dump(content))


FORMS = {"labelme": write_labelme, "coco": write_coco, "yolo": write_yolo}


def expected(background: int, car: int, bag: int) -> np.ndarray:
    label = np.full((HEIGHT, WIDTH), background, np.uint8)
    label[1:9, 1:11] = car
    label[3:6, 3:7] = bag
    return label


def first(root: Path, split: str = "train") -> np.ndarray:
    return Folder(split, root).load(0, np.random.default_rng())[1]


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
