"""Public sets, on tiny copies of the layout that their archives unpack to."""

import numpy as np
import pytest
from PIL import Image

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import Cityscapes, PascalVOC, Pet
from segnet.data.datasets.paired import held_out
from segnet.errors import UserError

SIZE = (9, 12)


def save(path, pixels, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image = image.convert("P")
        image.putpalette(palette)
        image.putdata(pixels.ravel().tolist())
    image.save(path)


def photo(path, seed):
    save(path, np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8))


def label(*values):
    return np.resize(np.array(values, np.uint8), SIZE)


def write_pet(root):
    lists = {"trainval": [f"Abyssinian_{n}" for n in range(30)], "test": ["Abyssinian_201", "yorkshire_terrier_1"]}
    for names in lists.values():
        for number, name in enumerate(names):
            photo(root / f"images/{name}.jpg", number)
            save(root / f"annotations/trimaps/{name}.png", label(1, 2, 3))
            (root / f"annotations/trimaps/._{name}.png").write_bytes(b"\0\5\x16\7")  # the archive has them
    for split, names in lists.items():
        (root / f"annotations/{split}.txt").write_text("".join(f"{name} 1 1 1\n" for name in names))
    (root / "annotations/list.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n")


def write_voc(root):
    inside = root / "VOCdevkit/VOC2012"
    (inside / "ImageSets/Segmentation").mkdir(parents=True)
    palette = [channel for value in range(256) for channel in (value, 255 - value, 7)]
    for split, names in {"train": [f"2007_{n:06}" for n in range(40)], "val": ["2008_000001"]}.items():
        for number, name in enumerate(names):
            photo(inside / f"JPEGImages/{name}.jpg", number)
            save(inside / f"SegmentationClass/{name}.png", label(0, 20, 255), palette)
        (inside / f"ImageSets/Segmentation/{split}.txt").write_text("".join(f"{name}\n" for name in names))
    photo(inside / "JPEGImages/without_a_label.jpg", 0)  # most images of VOC are for detection


def write_cityscapes(root):
    for split, cities in {"train": ["aachen", "ulm", "weimar", "zurich"], "val": ["lindau"], "test": ["bonn"]}.items():
        for city in cities:
            for frame in range(2):
                name = f"{city}/{city}_{frame:06}_000019"
                photo(root / f"leftImg8bit/{split}/{name}_leftImg8bit.png", frame)
                save(root / f"gtFine/{split}/{name}_gtFine_labelIds.png", label(0, 7, 33, 8, 26))
                photo(root / f"gtFine/{split}/{name}_gtFine_color.png", 1)


SETS = {"pet": write_pet, "voc": write_voc, "cityscapes": write_cityscapes}
EXPECTED = {"pet": [1, 0, 2], "voc": [0, 20, 255], "cityscapes": [255, 0, 18, 1, 13]}


def splits(name, root):
    data = data_from_config(compose([f"data={name}", f"data.root={root}", "data.batch_size=1"]))
    return data, {split: data.source(split) for split in ("train", "val", "test")}


@pytest.mark.parametrize("name", SETS)
def test_values_of_the_files_become_classes(name, tmp_path):
    SETS[name](tmp_path)
    data, found = splits(name, tmp_path)
    for source in found.values():
        image, values = source.load(0, np.random.default_rng())
        assert image.shape == (*SIZE, 3)
        assert values.ravel()[: len(EXPECTED[name])].tolist() == EXPECTED[name]
        assert max(value for value in EXPECTED[name] if value != 255) < len(data.classes)
    data.check()


@pytest.mark.parametrize("name", SETS)
def test_every_sample_is_in_one_split(name, tmp_path):
    SETS[name](tmp_path)
    _, found = splits(name, tmp_path)
    ids = [sample for source in found.values() for sample in source.ids]
    assert len(ids) == len(set(ids))
    assert len(ids) == {"pet": 32, "voc": 41, "cityscapes": 10}[name]


def test_which_samples_the_test_has(tmp_path):
    write_pet(tmp_path / "pet" / "oxford-iiit-pet")
    assert Pet("test", tmp_path / "pet").ids == ["Abyssinian_201", "yorkshire_terrier_1"]
    write_voc(tmp_path / "voc")
    assert PascalVOC("test", tmp_path / "voc" / "VOCdevkit").ids == ["2008_000001"]
    write_cityscapes(tmp_path / "city")
    assert [name.partition("/")[0] for name in Cityscapes("test", tmp_path / "city").ids] == ["lindau", "lindau"]
    assert {name.partition("/")[0] for name in Cityscapes("train", tmp_path / "city").ids} == {"aachen"}


def test_a_name_is_held_out_whatever_else_is_listed():
    share = np.mean([held_out(f"2007_{number:06}", 0.1) for number in range(3000)])
    assert share == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Pet, r"no Oxford-IIIT Pet in .* \(annotations/trainval.txt is missing\): get it from https://www.robots"),
        (PascalVOC, r"no Pascal VOC 2012 in .* get it from http://host.robots"),
        (Cityscapes, r"no Cityscapes in .* get it from https://www.cityscapes-dataset.com/downloads/ \(left"),
    ],
)
def test_a_set_that_is_not_there(kind, message, tmp_path):
    with pytest.raises(UserError, match=message):
        kind("train", tmp_path)


def test_what_is_not_whole_or_strange_is_said(tmp_path):
    write_cityscapes(tmp_path)
    with pytest.raises(UserError, match=r"val_cities names bonn, and .* has aachen, ulm, weimar, zurich"):
        Cityscapes("val", tmp_path, val_cities=["bonn"])
    path = tmp_path / "gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png"
    save(path, label(77))
    with pytest.raises(UserError, match=r"holds 77 \(108 pixels\), which is no class"):
        Cityscapes("test", tmp_path).load(0, np.random.default_rng())
    save(path, label(7)[:4])
    with pytest.raises(UserError, match="image and label differ in size"):
        Cityscapes("test", tmp_path).load(0, np.random.default_rng())
    path.unlink()
    with pytest.raises(UserError, match=r"lindau_000000_000019_gtFine_labelIds.png does not exist: unpack"):
        Cityscapes("test", tmp_path)
    with pytest.raises(UserError, match=r"data.dataset.val_share=1 is not allowed"):
        Pet("train", tmp_path, val_share=1)
