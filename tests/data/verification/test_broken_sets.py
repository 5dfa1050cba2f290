"""Sets that are broken in one way each: what is said of it, without a traceback and without a change of any file."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from segnet.build import data_from_config
from segnet.config import Config, compose
from segnet.data.cache import FOLDER as CACHE
from segnet.data.datasets.folder import describe_folder
from segnet.data.verification import folder_splits, verify_splits
from segnet.errors import UserError
from segnet.tasks.segmentation.task import Segmentation
from tests.broken_images import png_that_claims

SIZE = (24, 32)
TABLE = Path(__file__).parents[3] / "docs/broken_sets.md"


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC)


def mask():
    values = np.zeros(SIZE, np.uint8)
    values[4:12, 4:20], values[14:20, 8:24] = 1, 2
    return values


def save(path, values):
    (values if isinstance(values, Image.Image) else Image.fromarray(values)).save(path)


@pytest.fixture
def photos(tmp_path):
    """A whole set of 6, 2 and 2 images."""
    for split, numbers in {"train": range(6), "val": range(6, 8), "test": range(8, 10)}.items():
        for folder in ("images", "masks"):
            (tmp_path / "photos" / split / folder).mkdir(parents=True)
        for number in numbers:
            save(tmp_path / "photos" / split / "images" / f"{number}.png", picture(number))
            save(tmp_path / "photos" / split / "masks" / f"{number}.png", mask())
    return tmp_path / "photos"


def image_file(root):
    return root / "train/images/0.png"


def mask_file(root):
    return root / "train/masks/0.png"


def change_description(root, **values):
    describe_folder(root)
    content = yaml.safe_load((root / "dataset.yaml").read_text())
    (root / "dataset.yaml").write_text(yaml.safe_dump(content | values))


def as_jpeg(path, **options):
    Image.open(path).convert("RGB").save(path.with_suffix(".jpg"), **options)
    path.unlink()


def turned(root):
    exif = Image.Exif()
    exif[0x112] = 6
    as_jpeg(image_file(root), exif=exif)


def grey_jpeg_mask(root):
    Image.fromarray(mask()).save(mask_file(root).with_suffix(".jpg"))
    mask_file(root).unlink()


def smooth_mask(root):
    save(mask_file(root), np.add.outer(np.arange(24), np.arange(32) * 6).astype(np.uint8))


def pages(root):
    first = Image.fromarray(mask())
    first.save(mask_file(root).with_suffix(".tif"), save_all=True, append_images=[first])
    mask_file(root).unlink()


def float_mask(root):
    Image.fromarray(mask().astype(np.float32) / 2).save(mask_file(root).with_suffix(".tif"))
    mask_file(root).unlink()


def copy(root, source, target):
    (root / target).write_bytes((root / source).read_bytes())


def recompressed(root):
    picture(0).save(root / "val/images/6.jpg", quality=70)
    (root / "val/images/6.png").unlink()


def bomb(root):
    image_file(root).write_bytes(png_that_claims(100_000, 100_000))


def one_class(root):
    for path in root.rglob("masks/*.png"):
        save(path, np.zeros(SIZE, np.uint8))


def no_third_class(root):
    for path in (root / "val/masks").iterdir():
        save(path, mask().clip(max=1))


def ignored(root):
    save(mask_file(root), np.full(SIZE, 255, np.uint8))


def stray_value(root):
    describe_folder(root)
    values = mask()
    values[0, :5] = 9
    save(mask_file(root), values)


def stray_colour(root):
    for path in root.rglob("masks/*.png"):
        save(path, np.stack([100 * mask()] * 3, axis=-1))
    describe_folder(root)
    colours = np.stack([100 * mask()] * 3, axis=-1)
    colours[0, :5] = (1, 2, 3)
    save(mask_file(root), colours)


def in_another_form(root):
    save(mask_file(root), np.stack([100 * mask()] * 3, axis=-1))


def left_out(root):
    names = [path.relative_to(root).as_posix() for path in root.rglob("images/*")]
    (root / "leave_out.txt").write_text("\n".join(names))


def a_folder_for_an_image(root):
    image_file(root).unlink()
    image_file(root).mkdir()


def dead_link(root):
    image_file(root).unlink()
    image_file(root).symlink_to("/nowhere/at/all.png")


BROKEN = {
    "missing mask": (lambda r: mask_file(r).unlink(), "error: missing pair: it has no mask"),
    "missing image": (lambda r: image_file(r).unlink(), "error: missing pair: it has no image"),
    "truncated image": (
        lambda r: image_file(r).write_bytes(image_file(r).read_bytes()[:200]),
        "error: unreadable: cannot read the image",
    ),
    "empty image": (lambda r: image_file(r).write_bytes(b""), "error: unreadable: cannot read the image"),
    "empty mask": (lambda r: mask_file(r).write_bytes(b""), "error: unreadable: cannot read the label"),
    "text for an image": (lambda r: image_file(r).write_text("<html>404</html>"), "error: unreadable: cannot read"),
    "claims 10^10 pixels": (bomb, "error: mask cannot be taken: the image"),
    "mask of another size": (lambda r: save(mask_file(r), mask()[:20]), "error: sizes differ: image and mask differ"),
    "turned by EXIF": (turned, "error: sizes differ: image and mask differ"),
    "a photo for a mask": (lambda r: save(mask_file(r), picture(99)), "error: mask cannot be taken: the mask"),
    "smoothed edges": (smooth_mask, "values: its edges were smoothed"),
    "grey JPEG mask": (grey_jpeg_mask, "is stored as JPEG, which may change values"),
    "colour JPEG mask": (lambda r: as_jpeg(mask_file(r)), "error: mask cannot be taken: the label"),
    "one coloured mask": (in_another_form, "is coloured, and most masks not: save all in one form"),
    "mask of several pages": (pages, "has 2 frames or pages"),
    "mask of fractions": (float_mask, "values are no integers): labels are classes"),
    "mask of 16 bits": (
        lambda r: save(mask_file(r), mask().astype(np.uint16) * 1000),
        "holds the value 1000",
    ),
    "CMYK": (
        lambda r: as_cmyk(r),
        "warning: CMYK: turned to RGB",
    ),
    "alpha": (
        lambda r: save(image_file(r), picture(0).convert("RGBA")),
        "note: alpha channel: left out",
    ),
    "16 bits": (
        lambda r: save(image_file(r), (np.asarray(picture(0))[..., 0].astype(np.uint16)) * 256),
        "note: more than 8 bits",
    ),
    "same image in two splits": (
        lambda r: copy(r, "train/images/0.png", "val/images/6.png"),
        "error: same image in two splits: pixel for pixel train/images/0.png of train",
    ),
    "compressed copy in two splits": (
        recompressed,
        "warning: almost the same image in two splits: looks like train/images/0.png",
    ),
    "same image twice": (
        lambda r: copy(r, "train/images/0.png", "train/images/1.png"),
        "warning: same image twice: pixel for pixel train/images/0.png",
    ),
    "class missing in a split": (no_third_class, "warning: class never seen: class_2: not scored"),
    "everything ignored": (ignored, "warning: nothing to learn: every pixel is ignored"),
    "value of no class": (stray_value, "error: label outside the classes: the mask"),
    "colour of no class": (stray_colour, "holds (1, 2, 3) (5 pixels), which no class"),
    "one class": (one_class, "the masks hold one class only"),
    "all left out": (left_out, "no image of"),
    "list not in UTF-8": (
        lambda r: (r / "leave_out.txt").write_bytes("ä.png".encode("latin-1")),
        "leave_out.txt is not encoded in UTF-8",
    ),
    "a folder named as an image": (a_folder_for_an_image, "error: missing pair: it has no image"),
    "dead link": (dead_link, "error: missing pair: it has no image"),
    "dataset.yaml no YAML": (lambda r: (r / "dataset.yaml").write_text("a: [1"), "dataset.yaml is not a YAML file"),
    "dataset.yaml has another key": (
        lambda r: (r / "dataset.yaml").write_text("mask: index"),
        "dataset.yaml: unknown mask (did you mean masks?); the file takes",
    ),
    "classes a number": (lambda r: change_description(r, classes=3), "classes is 3, and has to be a mapping"),
    "ignore a number": (lambda r: change_description(r, ignore=255), "ignore is 255, and has to be a list"),
    "value of 300": (
        lambda r: change_description(r, ignore=[300]),
        "ignore holds 300, and has to list numbers from 0 to 255",
    ),
    "share of 2": (
        lambda r: change_description(r, splits={"val": 2.0}),
        "splits.val is 2.0, and has to be a share from 0 to below 1",
    ),
    "mean of words": (lambda r: change_description(r, mean="grey"), "mean is 'grey', and has to be a list of numbers"),
    "4 channels": (lambda r: change_description(r, channels=4), "channels is 4, and has to be 1 or 3"),
    "size of one number": (lambda r: change_description(r, size=[24]), "size is [24], and has to be [height, width]"),
    "seed below 0": (
        lambda r: change_description(r, splits={"seed": -1}),
        "splits.seed is -1, and has to be an integer from 0 up",
    ),
    "list that is not there": (
        lambda r: change_description(r, splits={"val": "val.txt"}),
        "splits.val is val.txt, and there is no such file",
    ),
    "list of strangers": (
        lambda r: ((r / "val.txt").write_text("99.png\n"), change_description(r, splits={"val": "val.txt"})),
        "val.txt, line 1, names '99.png', which is no image",
    ),
    "merged class that is not there": (
        lambda r: change_description(r, merge={"vehicle": ["car", "truck"]}),
        "merge names car, truck, and the classes are",
    ),
    "pattern that finds nothing": (
        lambda r: (r / "dataset.yaml").write_text("files: {images: 'scans/*.png', masks: 'gt/*.png'}"),
        "is called files.images=scans/*.png",
    ),
    "masks of no kind": (
        lambda r: change_description(r, masks="rgb"),
        "masks is 'rgb', and has to be one of index, c",
    ),
}


def as_cmyk(root):
    Image.open(image_file(root)).convert("CMYK").save(image_file(root).with_suffix(".jpg"))
    image_file(root).unlink()


def hashes(root):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}


def said(root: Path) -> list[str]:
    """What verification says of a folder, or the sentence that it ends with."""
    try:
        folder = folder_splits(root)
        problems = [*folder.problems, *verify_splits(folder.splits, folder.classes, 255)]
        return [f"{one.severity}: {one.kind}: {one.detail}" for one in problems]
    except UserError as error:
        return [str(error)]


@functools.cache
def composed() -> Config:
    return compose(["data=folder", "data.num_workers=0"])


def said_by_a_training(root: Path) -> str | None:
    """What stops a training on a folder, or None where it would begin."""
    try:
        config = composed().copy()
        config.data.root = str(root)
        Segmentation().check(data_from_config(config), 1)
    except UserError as error:
        return str(error)
    return None


def test_a_whole_set_has_no_problem(photos):
    assert said(photos) == []
    assert said_by_a_training(photos) is None


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_a_training_stops_at_errors_alone_and_no_file_is_changed(photos, name):
    break_it, expected = BROKEN[name]
    break_it(photos)
    before = hashes(photos)
    lines = said(photos)
    assert any(expected in line for line in lines), lines
    assert hashes(photos) == before
    sentence = said_by_a_training(photos)
    assert (sentence is not None) == any(not line.startswith(("warning", "note")) for line in lines), sentence
    assert sentence is None or "segnet-data verify" in sentence or ".yaml" in sentence or ".txt" in sentence, sentence
    assert {path: one for path, one in hashes(photos).items() if path in before} == before
    assert {path.name for path in set(hashes(photos)) - set(before) if CACHE not in path.parts} <= {"dataset.yaml"}


def test_the_table_in_the_docs_says_what_is_said():
    assert TABLE.read_text() == page(), "call python -m tests.data.verification.test_broken_sets"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "absent", "is not a folder"),
        (lambda p: p, "holds no images with masks in an arrangement that is known"),
    ],
)
def test_no_set_at_all(tmp_path, make, message):
    assert message in said(make(tmp_path))[0]


def test_all_that_is_wrong_is_said_at_once(photos):
    for number, break_it in enumerate((lambda r: None, lambda p: p.unlink(), lambda p: p.write_bytes(b""))):
        if number:
            break_it(photos / f"train/masks/{number}.png")
    (photos / "test/images/9.png").write_bytes(b"no image")
    assert len([line for line in said(photos) if line.startswith("error")]) == 3


def page() -> str:
    """The table of the docs."""
    head = (
        "# Broken data sets\n\n"
        "Sets that are broken in one way each, and what [`segnet-data verify`](guide.md#what-is-wrong-with-a-data-set) "
        "says of them. A training stops at an error with the same words and the command that lists the rest; at "
        "warnings and notes it begins.\nIn no case a file of the set is changed. "
        "`tests/data/verification/test_broken_sets.py` makes and tries every one of them, and writes this page.\n\n"
        "| what is wrong | what is said |\n| --- | --- |\n"
    )
    return head + "".join(f"| {name} | {expected} |\n" for name, (_, expected) in BROKEN.items())


if __name__ == "__main__":
    TABLE.write_text(page())
