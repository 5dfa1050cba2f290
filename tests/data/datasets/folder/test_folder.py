"""Folders as people keep them."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from segnet.data import sample_groups
from segnet.data.datasets.folder import Folder, describe_folder
from segnet.data.datasets.folder.layout import find_layout
from segnet.errors import UserError

SIZE = (6, 8)


def write(path: Path, pixels: np.ndarray, palette: list[int] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image = image.convert("P")
        image.putpalette(palette)
    image.save(path)


def photo(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)


def mask(number: int, values: tuple[int, ...] = (0, 1, 2), size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(100 + number).choice(values, size).astype(np.uint8)


def side_by_side(root: Path, count: int = 10, values: tuple[int, ...] = (0, 1, 2)) -> Path:
    for number in range(count):
        write(root / "images" / f"{number}.png", photo(number))
        write(root / "masks" / f"{number}.png", mask(number, values))
    return root


ARRANGEMENTS = {
    "images/ beside masks/": ("images/{n}.png", "masks/{n}.png", False),
    "imgs/ beside labels/": ("imgs/a/{n}.png", "labels/a/{n}_mask.png", False),
    "JPEGImages/ beside SegmentationClass/": ("JPEGImages/{n}.png", "SegmentationClass/{n}.png", False),
    "train/images beside train/masks": ("{s}/images/{n}.png", "{s}/masks/{n}.png", True),
    "images/train beside masks/train": ("images/{s}/{n}.png", "masks/{s}/{n}.png", True),
    "train/ beside trainannot/": ("{s}/{n}.png", "{s}annot/{n}.png", True),
    "NAME.* beside NAME_mask.*": ("{n}.png", "{n}_mask.png", False),
    "NAME.* beside NAME_L.*": ("{s}/{n}.png", "{s}/{n}_L.png", True),
}


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_arrangements_are_found(tmp_path, name):
    images, masks, has_splits = ARRANGEMENTS[name]
    for split in ("train", "val", "test") if has_splits else ("",):
        for number in range(8):
            write(tmp_path / images.format(s=split, n=number), photo(number))
            write(tmp_path / masks.format(s=split, n=number), mask(number))
    assert find_layout(tmp_path).name == name
    sets = {split: Folder(split, tmp_path) for split in ("train", "val", "test")}
    assert {split: len(one.ids) for split, one in sets.items()} == (
        dict.fromkeys(sets, 8) if has_splits else {"train": 6, "val": 1, "test": 1}
    )
    everything = [name for one in sets.values() for name in one.ids]
    assert len(set(everything)) == len(everything)
    for one in sets.values():
        for index, name in enumerate(one.ids):
            number = int(Path(name).stem)
            image, label = one.load(index, np.random.default_rng(0))
            assert np.array_equal(image, photo(number))
            assert np.array_equal(label, mask(number))


def test_what_was_found_is_written_and_what_was_written_is_taken(tmp_path):
    side_by_side(tmp_path, values=(0, 2, 7, 255))
    found = describe_folder(tmp_path)
    text = (tmp_path / "dataset.yaml").read_text()
    assert text.startswith("# What segnet found in this folder.")
    values = yaml.safe_load(text)
    assert list(values["classes"]) == ["class_0", "class_2", "class_7"]
    assert values["ignore"] == [255]
    assert values["size"] == [6, 8]
    assert describe_folder(tmp_path) == found
    values["classes"] = {
        "road": {"values": [0, 2], "colour": [9, 9, 9]},
        "rest": {"values": [7], "colour": [1, 2, 3]},
    }
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    merged = Folder("train", tmp_path)
    number = int(Path(merged.ids[0]).stem)
    expected = {0: 0, 2: 0, 7: 1, 255: 255}
    label = merged.load(0, np.random.default_rng(0))[1]
    assert label.tolist() == [[expected[value] for value in row] for row in mask(number, (0, 2, 7, 255)).tolist()]


def test_black_and_white_masks_are_two_classes(tmp_path):
    side_by_side(tmp_path, values=(0, 255))
    assert {name: entry.values for name, entry in describe_folder(tmp_path).classes.items()} == {
        "background": (0,),
        "foreground": (255,),
    }
    assert set(np.unique(Folder("train", tmp_path).load(0, np.random.default_rng(0))[1])) == {0, 1}


def test_palettes_give_their_colours(tmp_path):
    for number in range(8):
        write(tmp_path / "images" / f"{number}.png", photo(number))
        pixels = mask(number, (0, 1))
        write(tmp_path / "masks" / f"{number}.png", pixels, [7, 8, 9, 200, 100, 50] + [0] * 762)
    assert [entry.colour for entry in describe_folder(tmp_path).classes.values()] == [(7, 8, 9), (200, 100, 50)]


def test_coloured_masks_are_read_by_their_colours(tmp_path):
    colours = np.array([[128, 0, 0], [0, 64, 0], [0, 0, 0]], np.uint8)
    for number in range(8):
        write(tmp_path / "images" / f"{number}.png", photo(number))
        write(tmp_path / "masks" / f"{number}.png", colours[mask(number)])
    description = describe_folder(tmp_path)
    assert description.masks == "colour"
    order = [entry.colours[0] for entry in description.classes.values()]
    one = Folder("val", tmp_path)
    label = one.load(0, np.random.default_rng(0))[1]
    shown = np.array(order, np.uint8)[label]
    assert np.array_equal(shown, colours[mask(int(Path(one.ids[0]).stem))])
    values = yaml.safe_load((tmp_path / "dataset.yaml").read_text())
    name = next(iter(values["classes"]))
    values["ignore"] = values["classes"].pop(name)["colours"]
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    ignored = Folder("val", tmp_path).load(0, np.random.default_rng(0))[1]
    assert np.array_equal(ignored == 255, label == 0)
    assert np.array_equal(ignored[label > 0], label[label > 0] - 1)


def test_samples_of_a_group_stay_together(tmp_path):
    for video in "abcdefgh":
        for frame in range(3):
            write(tmp_path / "images" / f"{video}_{frame}.png", photo(frame))
            write(tmp_path / "masks" / f"{video}_{frame}.png", mask(frame))
    describe_folder(tmp_path)
    values = yaml.safe_load((tmp_path / "dataset.yaml").read_text())
    values["splits"]["group"] = r"/(\w)_\d"
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    videos = {split: {Path(name).stem[0] for name in Folder(split, tmp_path).ids} for split in ("train", "val", "test")}
    assert sum(map(len, videos.values())) == 8
    assert all(videos.values())
    train = Folder("train", tmp_path)
    assert sample_groups(train) == [Path(name).stem[0] for name in train.ids]
    values["splits"]["group"] = "("
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    with pytest.raises(UserError, match=r"splits.group=\( is no regular expression with one \(group\)"):
        Folder("train", tmp_path)


def test_the_draw_does_not_depend_on_the_order_of_files(tmp_path):
    side_by_side(tmp_path / "a")
    for path in sorted((tmp_path / "a").rglob("*.png"), reverse=True):
        target = tmp_path / "b" / path.relative_to(tmp_path / "a")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for split in ("train", "val", "test"):
        assert Folder(split, tmp_path / "a").ids == Folder(split, tmp_path / "b").ids


def test_grey_images_have_one_channel(tmp_path):
    for number in range(8):
        write(tmp_path / "images" / f"{number}.png", photo(number)[..., 0])
        write(tmp_path / "masks" / f"{number}.png", mask(number))
    assert describe_folder(tmp_path).channels == 1
    assert Folder("train", tmp_path).load(0, np.random.default_rng(0))[0].shape == (*SIZE, 1)


BROKEN = {
    "no folder": (lambda root: None, r"data.root=.*photos is not a folder"),
    "nothing known": (
        lambda root: write(root / "a.png", photo(0)),
        r"holds no images with masks in an arrangement that is known: put images into",
    ),
    "an image without mask": (
        lambda root: (side_by_side(root), write(root / "images" / "x.png", photo(0))),
        r"images/x.png in .* have no mask: add it, or move them elsewhere",
    ),
    "masks without image": (
        lambda root: (side_by_side(root), [write(root / "masks" / f"x{n}.png", mask(0)) for n in range(5)]),
        r"masks/x0.png, masks/x1.png, masks/x2.png and 2 more in .* have no image",
    ),
    "smoothed masks": (
        lambda root: (side_by_side(root), write(root / "masks" / "3.png", mask(3, tuple(range(100)), (40, 40)))),
        r"hold more than 64 different values: that is no mask of classes; were edges smoothed",
    ),
    "mixed masks": (
        lambda root: (side_by_side(root), write(root / "masks" / "3.png", photo(3))),
        r"is a colour image and .* is not: save all masks in one form",
    ),
    "one class": (lambda root: side_by_side(root, values=(3,)), r"the masks hold one class only \(class_3\)"),
    "too few": (lambda root: side_by_side(root, count=2), "leave nothing to train on"),
    "a text called png": (
        lambda root: (side_by_side(root), (root / "masks" / "3.png").write_text("no image")),
        r"cannot read the label .*3.png",
    ),
    "a JPEG mask": (
        lambda root: (
            side_by_side(root),
            (root / "masks" / "3.png").unlink(),
            write(root / "masks" / "3.jpg", mask(3)),
        ),
        "is stored as JPEG, which may change values",
    ),
    "a broken description": (
        lambda root: (side_by_side(root), (root / "dataset.yaml").write_text("layout: [")),
        "dataset.yaml is not a YAML file",
    ),
    "a description with another key": (
        lambda root: (side_by_side(root), (root / "dataset.yaml").write_text("layot: a\n")),
        r"dataset.yaml: unknown layot \(did you mean layout\?\); the file takes layout, ",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_a_sentence(tmp_path, name):
    make, message = BROKEN[name]
    make(tmp_path / "photos")
    with pytest.raises(UserError, match=message):
        Folder("train", tmp_path / "photos")


def test_a_value_that_no_class_has_is_named(tmp_path):
    side_by_side(tmp_path)
    describe_folder(tmp_path)
    one = Folder("train", tmp_path)
    write(one.files(0)[1], np.full(SIZE, 9, np.uint8))
    with pytest.raises(UserError, match=r"holds 9 \(48 pixels\), which no class in .*dataset.yaml has: add it"):
        one.load(0, np.random.default_rng(0))
    write(one.files(0)[1], np.zeros((3, 3), np.uint8))
    with pytest.raises(UserError, match=r"image and mask differ in size: .* is 8x6, .* is 3x3"):
        one.load(0, np.random.default_rng(0))
