"""What ``dataset.yaml`` is given by hand: a part of it, merged classes, patterns of files, lists of splits."""

import numpy as np
import pytest
import yaml
from PIL import Image

from segnet.data.datasets.folder import Folder, describe_folder
from segnet.errors import UserError

SPLITS = ("train", "val", "test")


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def photos(root, image="images/{n}.png", mask="masks/{n}.png", numbers=range(8), values=(0, 1, 2)):
    for number in numbers:
        random = np.random.default_rng(number)
        write(root / image.format(n=number), random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        write(root / mask.format(n=number), np.resize(np.array(values, np.uint8), (6, 8)))
    return root


def names(root):
    return {split: [one.rpartition("/")[2] for one in Folder(split, root).ids] for split in SPLITS}


def test_a_part_is_kept_as_it_is_written_and_the_rest_is_found(tmp_path):
    photos(tmp_path)
    given = "# Mine.\nclasses:\n  sky: {values: [0]}\n  ground: {values: [1, 2], colour: [9, 9, 9]}\n"
    (tmp_path / "dataset.yaml").write_text(given)
    found = describe_folder(tmp_path)
    text = (tmp_path / "dataset.yaml").read_text()
    assert text.startswith(given + "\n# What segnet found:\nlayout: ")
    assert list(found.classes) == ["sky", "ground"]
    assert found.channels == 3
    assert describe_folder(tmp_path) == found
    assert set(np.unique(Folder("train", tmp_path).load(0, np.random.default_rng(0))[1])) == {0, 1}


def test_classes_are_merged_by_name(tmp_path):
    photos(tmp_path, values=(0, 1, 2, 3))
    (tmp_path / "dataset.yaml").write_text("merge: {vehicle: [class_1, class_3]}\n")
    found = describe_folder(tmp_path)
    assert {name: entry.values for name, entry in found.classes.items()} == {
        "class_0": (0,),
        "vehicle": (1, 3),
        "class_2": (2,),
    }
    assert Folder("train", tmp_path).load(0, np.random.default_rng(0))[1][0].tolist() == [0, 1, 2, 1] * 2
    assert set(yaml.safe_load((tmp_path / "dataset.yaml").read_text())["classes"]) == {f"class_{n}" for n in range(4)}


@pytest.mark.parametrize("merge", ["{class_0: [class_2]}", "{class_2: [class_0]}", "{class_0: [class_0, class_2]}"])
def test_a_class_can_be_merged_into_another(tmp_path, merge):
    photos(tmp_path)
    (tmp_path / "dataset.yaml").write_text(f"merge: {merge}\n")
    merged, other = describe_folder(tmp_path).classes.values()
    assert (merged.values, other.values) == ((0, 2), (1,))


@pytest.mark.parametrize(
    ("image", "mask", "files"),
    [
        ("scans/{n}/rgb.png", "scans/{n}/label.png", {"images": "scans/*/rgb.png", "masks": "scans/*/label.png"}),
        ("raw/a/{n}_im.png", "drawn/a/{n}.png", {"images": "raw/**/*_im.png", "masks": "drawn/**/*.png"}),
        ("{n}.png", "{n}.seg.png", {"images": "?.png", "masks": "*.seg.png"}),
    ],
    ids=["folders", "any depth", "no star"],
)
def test_patterns_say_which_files_belong_together(tmp_path, image, mask, files):
    photos(tmp_path, image, mask)
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"files": files}))
    if "?" in files["images"]:
        with pytest.raises(UserError, match=r"files\.images=\?\.png and files\.masks=\*\.seg\.png need the same \*"):
            describe_folder(tmp_path)
    else:
        assert sorted(map(len, names(tmp_path).values())) == [1, 1, 6]


def test_a_pattern_can_name_the_split(tmp_path):
    for split, numbers in {"training": range(5), "valid": range(5, 7), "test": range(7, 8)}.items():
        photos(tmp_path, f"{split}/rgb/{{n}}.png", f"{split}/gt/{{n}}_L.png", numbers)
    files = {"images": "{split}/rgb/*.png", "masks": "{split}/gt/*_L.png"}
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"files": files}))
    assert {split: len(some) for split, some in names(tmp_path).items()} == {"train": 5, "val": 2, "test": 1}


@pytest.mark.parametrize("form", ["{n}", "{n}.png", "images/{n}.png", "/elsewhere/images/{n}.png /elsewhere/{n}.png"])
def test_lists_in_the_folder_name_the_splits(tmp_path, form):
    photos(tmp_path)
    for split, numbers in {"train": range(5), "val": range(5, 7), "test": range(7, 8)}.items():
        (tmp_path / f"{split}.txt").write_text("".join(f"{form.format(n=number)}\n" for number in numbers))
    expected = {"train": [f"{n}.png" for n in range(5)], "val": ["5.png", "6.png"], "test": ["7.png"]}
    assert names(tmp_path) == expected
    assert yaml.safe_load((tmp_path / "dataset.yaml").read_text())["splits"]["val"] == "val.txt"
    assert names(tmp_path) == expected


def test_lists_of_images_and_masks_need_no_arrangement(tmp_path):
    photos(tmp_path, "here/{n}.png", "there/m{n}.png")
    for split, numbers in {"train": range(5), "val": range(5, 8)}.items():
        (tmp_path / f"{split}.txt").write_text("".join(f"here/{n}.png there/m{n}.png\n" for n in numbers))
    found = names(tmp_path)  # the test split is drawn from what trains
    assert [len(found[split]) for split in SPLITS] == [4, 3, 1]
    assert found["val"] == ["5.png", "6.png", "7.png"]


def test_dataset_yaml_names_a_list_for_one_split(tmp_path):
    photos(tmp_path)
    (tmp_path / "held_out.txt").write_text("3\n4\n")
    (tmp_path / "dataset.yaml").write_text("splits: {test: held_out.txt, val: 0.3}\n")
    found = names(tmp_path)
    assert found["test"] == ["3.png", "4.png"]
    assert len(found["val"]) == 2


@pytest.mark.parametrize(
    ("lists", "text", "message"),
    [
        ({"train": "0\n1\n", "val": "9\n"}, "", r"val\.txt, line 1, names '9', which is no image of"),
        ({"train": "0\n1\n", "val": "1\n"}, "", r"1\.png is in both lists, train\.txt and val\.txt"),
        ({}, "splits: {val: absent.txt}", r"splits\.val is absent\.txt, and there is no such file"),
        ({}, "splits: {valid: 0.2}", "splits has valid, and takes train, val, test, seed and group"),
        ({}, "merge: {a: [class_9]}", "merge names class_9, and the classes are class_0, class_1, class_2"),
        ({}, "merge: {a: [class_0, class_1, class_2]}", "merge leaves one class only"),
        ({}, "files: {images: a}", r"files is .*, and has to be \{images: PATTERN, masks: PATTERN\}"),
        ({}, "files: {images: 'x*', masks: 'y*'}", r"no file in .* is called files\.images=x\*"),
        ({}, "files: {images: '**/*.png', masks: '**/*.png'}", "is both an image and a mask"),
        ({}, "{channels: 3}", "what was found cannot be added to it: let each key begin a line, without braces"),
        ({}, "colours: 3", r"unknown colours; the file takes layout, masks, "),
    ],
)
def test_what_cannot_be_is_a_sentence_and_changes_nothing(tmp_path, lists, text, message):
    photos(tmp_path)
    for split, content in lists.items():
        (tmp_path / f"{split}.txt").write_text(content)
    if text:
        (tmp_path / "dataset.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        describe_folder(tmp_path)
    assert not text or (tmp_path / "dataset.yaml").read_text() == text


SHORT = {
    "a list of names": ("[sky, ground, tree]", [("sky", (0,)), ("ground", (1,)), ("tree", (2,))]),
    "a value each": ("{sky: 0, ground: [1, 2]}", [("sky", (0,)), ("ground", (1, 2))]),
}


@pytest.mark.parametrize("name", SHORT)
def test_classes_may_be_said_in_short(tmp_path, name):
    short, expected = SHORT[name]
    (photos(tmp_path) / "dataset.yaml").write_text(f"classes: {short}\n")
    found = describe_folder(tmp_path)
    assert [(name, entry.values) for name, entry in found.classes.items()] == expected
    assert len({entry.colour for entry in found.classes.values()}) == len(expected)


def test_colours_may_be_said_in_short_and_are_not_guessed_for_names(tmp_path):
    photos(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        write(path, np.resize(np.array([[9, 0, 0], [0, 9, 0]], np.uint8), (6, 8, 3)))
    file = tmp_path / "dataset.yaml"
    file.write_text("classes: {road: [9, 0, 0], tree: [0, 9, 0]}\n")
    assert [entry.colours for entry in describe_folder(tmp_path).classes.values()] == [((9, 0, 0),), ((0, 9, 0),)]
    file.write_text("classes: [road, tree]\n")
    with pytest.raises(UserError, match=r"the masks hold colours: give each class its colour, as in \{road: \["):
        describe_folder(tmp_path)


def test_a_value_that_is_given_as_a_class_is_not_ignored(tmp_path):
    photos(tmp_path, values=(0, 1, 255))
    (tmp_path / "dataset.yaml").write_text("classes: {sky: 0, ground: 1, frame: 255}\n")
    assert describe_folder(tmp_path).ignore == []
    assert set(np.unique(Folder("train", tmp_path).load(0, np.random.default_rng(0))[1])) == {0, 1, 2}


def test_a_value_that_is_given_as_ignored_is_no_class(tmp_path):
    photos(tmp_path)
    (tmp_path / "dataset.yaml").write_text("ignore: [0]\n")
    assert list(describe_folder(tmp_path).classes) == ["class_1", "class_2"]
    assert set(np.unique(Folder("train", tmp_path).load(0, np.random.default_rng(0))[1])) == {0, 1, 255}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: [sky, ground, tree]\nignore: [2]", r"classes\.tree and ignore both have 2"),
        ("classes: {sky: 0, ground: [1, 2], tree: 2}", r"classes\.ground and classes\.tree both have 2"),
        ("classes: [sky, sky, tree]", "classes has sky more than once"),
        ("ignore: [0, 1]", r"the masks hold one class only \(class_2\)"),
        ("ignore_index: 255", r"unknown ignore_index \(did you mean ignore\?\)"),
    ],
)
def test_meanings_that_contradict_each_other_are_refused(tmp_path, text, message):
    (photos(tmp_path) / "dataset.yaml").write_text(f"{text}\n")
    with pytest.raises(UserError, match=message):
        describe_folder(tmp_path)
