"""Arrangements whose own files say what the classes are called: COCO, YOLO, and CVAT's export of masks."""

import os
from collections.abc import Mapping
from pathlib import Path

from segnet.data.datasets.folder.coco import coco_files, find_images, open_coco
from segnet.data.datasets.folder.masks import Colour
from segnet.data.datasets.folder.samples import Entries, Layout, Sample, Unpaired, base_folder
from segnet.data.datasets.folder.yolo import find_yaml, read_yaml
from segnet.data.images import read_lines
from segnet.data.labels import BACKGROUND
from segnet.errors import UserError

IGNORE_VALUE = 255


def ultralytics(root: Path, unpaired: Unpaired) -> Layout | None:
    """Find the samples of a YAML as Ultralytics writes it: the file that is named, or one in the folder.

    Raises:
        UserError: the file is none.
    """
    path = root if root.is_file() else find_yaml(root)
    if path is None:
        return None
    data, base = read_yaml(path), base_folder(root)
    splits = {}
    for split, pairs in data.pairs.items():
        splits[split] = tuple(
            Sample(_below(base, image), _below(base, label))
            for image, label in pairs
            if label.is_file() or not data.has_masks  # an image without a file of outlines has none of the objects
        )
        if data.has_masks:
            unpaired.images += [_below(base, image) for image, label in pairs if not label.is_file()]
    numbers: dict[int, list[int]] = {number: [] for number in data.names}
    ignored = [IGNORE_VALUE]
    for value, number in (data.values or {number: number for number in data.names}).items():
        if number in numbers and value >= 0:
            numbers[number].append(value)
        elif 0 <= value < IGNORE_VALUE:
            ignored.append(value)
    classes: dict[str, Entries]
    if data.has_masks:
        classes = {data.names[number]: tuple(values) for number, values in numbers.items()}
        return Layout(f"{path.name} of Ultralytics, masks", splits, "index", classes, tuple(ignored))
    classes = {} if BACKGROUND in data.names.values() else {BACKGROUND: (BACKGROUND,)}
    for number, name in data.names.items():
        classes[name] = (str(number), BACKGROUND) if name == BACKGROUND else (str(number),)
    return Layout(f"{path.name} of Ultralytics, outlines", splits, "yolo", classes, ())


def coco(root: Path, unpaired: Unpaired) -> Layout | None:
    """Find the samples of COCO's JSON files; their names, or those of their folders, say the split."""
    files = coco_files(root)
    if "train" not in files and "all" not in files:
        return None
    splits, names = {}, dict[str, None]()
    for split, paths in files.items():
        samples = []
        for path in paths:
            for name, image in find_images(root, path):
                if image is None:
                    unpaired.masks.append(path.relative_to(root) / name)
                else:
                    samples.append(Sample(image.relative_to(root), path.relative_to(root)))
            names |= dict.fromkeys(open_coco(path, path.stat().st_mtime_ns).names.values())
        splits[split] = tuple(sorted(samples, key=lambda sample: sample.image))
    if not any(splits.values()):
        raise UserError(f"the images that {next(iter(files.values()))[0]} names are not in {root}: put them there")
    name = f"{next(iter(files.values()))[0].relative_to(root).as_posix()} of COCO"
    return Layout(
        name, splits, "coco", {one: (one,) for one in (BACKGROUND, *(n for n in names if n != BACKGROUND))}, ()
    )


def voc(root: Path, unpaired: Unpaired) -> Layout | None:
    """Find VOC's arrangement, which CVAT exports with a ``labelmap.txt``; lists may say the splits."""
    images, masks, lists = (root / part for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"))
    if not masks.is_dir() or not lists.is_dir():
        return None
    by_name = {path.stem: path for path in sorted(images.rglob("*")) if path.is_file()} if images.is_dir() else {}
    splits = {}
    for listing in sorted(lists.glob("*.txt")):
        names = [line.split()[0] for line in read_lines(listing) if line.strip()]
        split = listing.stem.lower() if listing.stem.lower() in ("train", "val", "test") else "all"
        whole = [name for name in names if Path(name).name in by_name and (masks / f"{name}.png").is_file()]
        for name in names:
            if Path(name).name not in by_name:
                unpaired.masks.append((masks / f"{name}.png").relative_to(root))
            elif name not in whole:
                unpaired.images.append(by_name[Path(name).name].relative_to(root))
        splits[split] = tuple(
            Sample(by_name[Path(name).name].relative_to(root), (masks / f"{name}.png").relative_to(root))
            for name in whole
        )
    if "train" in splits:
        splits.pop("all", None)  # such as trainval.txt, which lists them again
    if "train" not in splits and "all" not in splits:
        return None
    return Layout("JPEGImages/ beside SegmentationClass/, with lists", splits, None, label_map(root), ())


def label_map(root: Path) -> Mapping[str, Entries]:
    """Return the colours of the classes in ``labelmap.txt``, or none where there is no such file.

    Raises:
        UserError: a line of it is of another form.
    """
    path = root / "labelmap.txt"
    classes: dict[str, Entries] = {}
    for number, line in enumerate(read_lines(path) if path.is_file() else (), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(":")
        try:
            red, green, blue = (int(value) for value in parts[1].split(","))
        except (IndexError, ValueError) as error:
            raise UserError(f"{path}, line {number}: expected NAME:RED,GREEN,BLUE::, got {line.strip()!r}") from error
        colour: Colour = (red, green, blue)
        classes[parts[0]] = (colour,)
    return classes


def _below(base: Path, path: Path) -> Path:
    return Path(os.path.relpath(path, base.absolute()))
