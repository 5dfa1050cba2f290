"""Public sets, on tiny copies of the layout that their archives unpack to."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import ADE20K, CamVidFull, Cityscapes, LoveDA, PascalVOC, PascalVOCWithSBD, Pet
from segnet.data.datasets.camvid_full import split_of
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


def write_ade20k(root):
    for split, short, count in (("training", "train", 60), ("validation", "val", 2)):
        for number in range(1, count + 1):
            name = f"{split}/ADE_{short}_{number:08}"
            photo(root / f"ADEChallengeData2016/images/{name}.jpg", number)
            save(root / f"ADEChallengeData2016/annotations/{name}.png", label(0, 1, 150))
    (root / "ADEChallengeData2016/objectInfo150.txt").write_text("Idx Ratio Train Val Name\n")


def write_loveda(root):
    for number in range(40):  # numbers go on from one scene to the next
        split = "Val" if number >= 36 else "Train"
        scene = f"{split}/{'Urban' if number % 2 else 'Rural'}"
        photo(root / f"{scene}/images_png/{number}.png", number)
        save(root / f"{scene}/masks_png/{number}.png", label(0, 1, 7))
    photo(root / "Test/Urban/images_png/5000.png", 0)  # without labels


def write_voc_sbd(root):
    write_voc(root)
    inside = root / "sbd/benchmark_RELEASE/dataset"
    (inside / "cls").mkdir(parents=True)
    # One is in VOC's training list, one in its validation, and two in neither.
    names = {"train": ["2007_000000", "2008_000001", "2008_000002"], "val": ["2010_000003"]}
    for split, some in names.items():
        for name in some:
            photo(inside / f"img/{name}.jpg", 1)
            content = {"Segmentation": label(0, 20, 5), "Boundaries": np.zeros((20, 1), object)}
            savemat(inside / f"cls/{name}.mat", {"GTcls": content}, do_compression=True)
        (inside / f"{split}.txt").write_text("".join(f"{name}\n" for name in some))


FRAMES = ("0001TP_006690", "0006R0_f00930", "0016E5_00390", "0016E5_07959", "0001TP_008550", "Seq05VD_f00000")


def write_camvid_full(root):
    colours = [(0, 0, 0), (64, 192, 0), (0, 128, 64), (192, 0, 192)]  # Void, Wall, Bridge, MotorcycleScooter
    for number, name in enumerate(FRAMES):
        photo(root / f"701_StillsRaw_full/701_StillsRaw_full/{name}.png", number)
        pixels = np.array(colours, np.uint8)[label(0, 1, 2, 3)]
        save(root / f"LabeledApproved_full/{name}_L.png", pixels)
        (root / f"LabeledApproved_full/._{name}_L.png").write_bytes(b"\0\5\x16\7")


SETS = {
    "pet": write_pet,
    "voc": write_voc,
    "cityscapes": write_cityscapes,
    "ade20k": write_ade20k,
    "loveda": write_loveda,
    "voc_sbd": write_voc_sbd,
    "camvid_full": write_camvid_full,
    "camvid_32": write_camvid_full,
}
EXPECTED = {
    "pet": [1, 0, 2],
    "voc": [0, 20, 255],
    "cityscapes": [255, 0, 18, 1, 13],
    "ade20k": [255, 0, 149],
    "loveda": [255, 0, 6],
    "voc_sbd": [0, 20, 255],
    "camvid_full": [255, 1, 1, 10],
    "camvid_32": [255, 30, 3, 13],
}
COUNTS = {"pet": 32, "voc": 41, "cityscapes": 10, "ade20k": 62, "loveda": 40, "voc_sbd": 43, "camvid_full": 6}
COUNTS["camvid_32"] = COUNTS["camvid_full"]


def splits(name, root):
    more = [f"data.sbd_root={root}/sbd"] if name == "voc_sbd" else []
    data = data_from_config(compose([f"data={name}", f"data.root={root}", "data.batch_size=1", *more]))
    return data, {split: data.source(split) for split in ("train", "val", "test")}


@pytest.mark.parametrize("name", SETS)
def test_values_of_the_files_become_classes_and_every_sample_is_in_one_split(name, tmp_path):
    SETS[name](tmp_path)
    data, found = splits(name, tmp_path)
    for source in found.values():
        image, values = source.load(0, np.random.default_rng())
        assert image.shape == (*SIZE, 3)
        assert values.ravel()[: len(EXPECTED[name])].tolist() == EXPECTED[name]
        assert max(value for value in EXPECTED[name] if value != 255) < len(data.classes)
    data.check()
    ids = [sample for source in found.values() for sample in source.ids]
    assert len(ids) == len(set(ids)) == COUNTS[name]


def test_which_samples_the_test_has(tmp_path):
    write_pet(tmp_path / "pet" / "oxford-iiit-pet")
    assert Pet("test", tmp_path / "pet").ids == ["Abyssinian_201", "yorkshire_terrier_1"]
    write_voc(tmp_path / "voc")
    assert PascalVOC("test", tmp_path / "voc" / "VOCdevkit").ids == ["2008_000001"]
    write_cityscapes(tmp_path / "city")
    assert [name.partition("/")[0] for name in Cityscapes("test", tmp_path / "city").ids] == ["lindau", "lindau"]
    assert {name.partition("/")[0] for name in Cityscapes("train", tmp_path / "city").ids} == {"aachen"}


def test_what_sbd_adds(tmp_path):
    write_voc_sbd(tmp_path)
    both = {split: PascalVOCWithSBD(split, tmp_path, tmp_path / "sbd") for split in ("train", "val", "test")}
    alone = {split: PascalVOC(split, tmp_path) for split in ("train", "val", "test")}
    assert both["train"].ids == [*alone["train"].ids, "2008_000002", "2010_000003"]
    assert [both[split].ids for split in ("val", "test")] == [alone[split].ids for split in ("val", "test")]
    image, values = both["train"].load(len(both["train"].ids) - 1, np.random.default_rng())
    assert image.shape == (*SIZE, 3)
    assert values.ravel()[:3].tolist() == [0, 20, 5]
    (tmp_path / "sbd/benchmark_RELEASE/dataset/cls/2010_000003.mat").write_bytes(b"MATLAB 5.0, cut")
    with pytest.raises(UserError, match=r"cannot read the label .*2010_000003.mat"):
        both["train"].load(len(both["train"].ids) - 1, np.random.default_rng())
    with pytest.raises(UserError, match=r"no SBD in .* set data.sbd_root=FOLDER"):
        PascalVOCWithSBD("train", tmp_path, tmp_path / "nowhere")


def test_frames_of_camvid_are_split_as_in_the_tutorial(tmp_path):
    write_camvid_full(tmp_path)
    found = {split: CamVidFull(split, tmp_path, {"wall": (64, 192, 0)}) for split in ("train", "val", "test")}
    assert {split: tuple(one.ids) for split, one in found.items()} == {
        "train": FRAMES[:3],
        "val": FRAMES[3:4],
        "test": FRAMES[4:],
    }
    assert found["test"].groups == ["0001TP", "Seq05VD"]
    with pytest.raises(UserError, match=r"holds the colour \[0, 128, 64\] \(54 pixels\), which is that of no class"):
        found["val"].load(0, np.random.default_rng())
    (tmp_path / f"701_StillsRaw_full/701_StillsRaw_full/{FRAMES[3]}.png").unlink()
    with pytest.raises(UserError, match=r"701_StillsRaw_full has no 0016E5_07959.png, nor 0 more"):
        CamVidFull("val", tmp_path, {})


@pytest.mark.camvid
def test_the_rule_of_camvids_splits_is_that_of_the_lists():
    data = data_from_config(compose(["data=camvid"]))
    for split in ("train", "val", "test"):
        names = [name.removesuffix(".png") for name in data.source(split).ids]
        assert {split_of(name) for name in names} == {split}


def test_scenes_of_loveda_can_be_chosen(tmp_path):
    write_loveda(tmp_path)
    assert {name.partition("/")[0] for name in LoveDA("test", tmp_path, ["Rural"]).ids} == {"Rural"}
    with pytest.raises(UserError, match=r"data.dataset.scenes=\[Sea\] is not allowed: give \[Urban,Rural\]"):
        LoveDA("test", tmp_path, ["Sea"])


def broken_jpeg():
    """A JPEG with bytes between two of its segments that belong to none, as some pictures of Pet have them."""
    content = io.BytesIO()
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(content, "JPEG")
    return content.getvalue()[:-2] + b"\x11" * 240 + b"\xff\xd9"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "CMYK", "grey", "extraneous bytes"])
def test_pictures_of_pet_are_no_plain_jpegs(kind, tmp_path):
    write_pet(tmp_path)
    path = tmp_path / "images/Abyssinian_201.jpg"
    pixels = Image.fromarray(np.full((*SIZE, 3), 90, np.uint8))
    if kind == "GIF":
        pixels.convert("L").save(path, "GIF")
    elif kind == "PNG":
        pixels.convert("RGBA").save(path, "PNG")
    elif kind in ("CMYK", "grey"):
        pixels.convert("CMYK" if kind == "CMYK" else "L").save(path, "JPEG")
    else:
        path.write_bytes(broken_jpeg())
    image, _ = Pet("test", tmp_path).load(0, np.random.default_rng())
    assert image.shape == (*SIZE, 3)
    assert np.abs(image.astype(int) - (0 if kind == "extraneous bytes" else 90)).max() < 4


def test_a_name_is_held_out_whatever_else_is_listed():
    share = np.mean([held_out(f"2007_{number:06}", 0.1) for number in range(3000)])
    assert share == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Pet, r"no Oxford-IIIT Pet in .* \(annotations/trainval.txt is missing\): get it from https://www.robots"),
        (PascalVOC, r"no Pascal VOC 2012 in .* get it from http://host.robots"),
        (ADE20K, r"no ADE20K in .* get it from http://sceneparsing.csail.mit.edu .*data.download=true"),
        (LoveDA, r"no LoveDA in .* get it from https://zenodo.org/records/5706578"),
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
