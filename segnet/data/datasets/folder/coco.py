"""COCO's JSON files: one for many images, with polygons or run-length encoded masks."""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segnet.data.datasets.folder.shapes import Outline, check_polygon, read_json
from segnet.errors import UserError

OTHER_TASKS = ("captions", "person_keypoints", "panoptic", "image_info", "stuff_image_info")
MOST_FILES = 8
"""A folder with more JSON files than this holds one for each image, as Labelme's do, and none of COCO's."""
SPLITS = {"train": r"train", "val": r"val", "test": r"test"}


@dataclass(frozen=True)
class CocoFile:
    """One file.

    Attributes:
        images: of each file name that the JSON gives, the number of the image, its height and its width.
        outlines: of each image's number, the annotations as they stand in the file.
        names: of the categories that are used, by number.
    """

    images: Mapping[str, tuple[Any, int | None, int | None]]
    outlines: Mapping[Any, Sequence[Any]]
    names: Mapping[Any, str]


def coco_files(root: Path) -> dict[str, list[Path]]:
    """Return COCO's files in a folder by split, "all" where their names say none."""
    found: dict[str, list[Path]] = {}
    for folder in (root, root / "annotations", *sorted(path for path in root.iterdir() if path.is_dir())):
        paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
        if len(paths) <= MOST_FILES:
            for path in paths:
                split = _split(path, root)
                if path not in found.get(split, ()) and not path.name.startswith(OTHER_TASKS) and _is_coco(path):
                    found.setdefault(split, []).append(path)
    return found


def _split(path: Path, root: Path) -> str:
    text = path.relative_to(root).as_posix().lower()
    return next((split for split, word in SPLITS.items() if re.search(word, text)), "all")


def _is_coco(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig") as file:
            start = file.read(1 << 16)
        # Labelme's files have images too, as text inside, and no categories.
        if '"shapes"' in start:
            return False
        return bool(open_coco(path, path.stat().st_mtime_ns).images)
    except (OSError, UnicodeDecodeError, UserError):
        return False


@functools.lru_cache(maxsize=8)
def open_coco(path: Path, changed: int) -> CocoFile:
    """Read a file; ``changed`` is its time, so that another content is read again.

    Raises:
        UserError: it is no file of COCO's.
    """
    content = read_json(path)
    try:
        images = {str(one["file_name"]): (one["id"], one.get("height"), one.get("width")) for one in content["images"]}
        names = {one["id"]: str(one["name"]) for one in content["categories"]}
        outlines: dict[Any, list[Any]] = {}
        for one in content["annotations"]:
            outlines.setdefault(one["image_id"], []).append(one)
        used = {one["category_id"] for some in outlines.values() for one in some}
        return CocoFile(images, outlines, {number: names[number] for number in sorted(used)})
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"the label {path} is no file of COCO's: {type(error).__name__} {error}") from error


def find_images(root: Path, path: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield each file name that a COCO file gives, and where the image is, or None."""
    file = open_coco(path, path.stat().st_mtime_ns)
    stem = path.stem.removeprefix("instances_")
    folders = [path.parent, root, root / "images", root / stem, root / "images" / stem]
    folders += sorted(one for one in root.iterdir() if one.is_dir())
    for name in file.images:
        found = next((folder / name for folder in folders if (folder / name).is_file()), None)
        yield name, found


def read_coco(path: Path, image: Path, size: tuple[int, int]) -> list[Outline]:
    """Return the outlines of an image.

    Raises:
        UserError: see :func:`open_coco`; or the image is of another size, or a region has a box and no outline.
    """
    file = open_coco(path, path.stat().st_mtime_ns)
    named = [name for name in file.images if Path(name).name == image.name]
    if len(named) > 1:
        named = [name for name in named if image.as_posix().endswith(name)] or named
    if not named:
        raise UserError(f"the label {path} names no image {image.name}")
    number, height, width = file.images[named[0]]
    if None not in (height, width) and (height, width) != size:
        raise UserError(
            f"image and label differ in size: {image} is {size[1]}x{size[0]}, and {path.name} says {width}x{height}"
        )
    return [_outline(path, file, one) for one in file.outlines.get(number, ())]


def _outline(path: Path, file: CocoFile, annotation: Any) -> Outline:
    name = file.names[annotation["category_id"]]
    region = annotation.get("segmentation")
    if not region:
        raise UserError(
            f"the label {path} holds a {name!r} without an outline (annotation {annotation.get('id')}): boxes are no "
            f"classes of pixels"
        )
    if isinstance(region, dict):
        if not {"counts", "size"} <= set(region):
            raise UserError(f"the label {path} holds a {name!r} whose run lengths have no counts and size")
        return Outline(name, run_lengths=region)
    for polygon in region:
        check_polygon(path, name, polygon)
    return Outline(name, region)
