"""YOLO's text files of polygons, one for each image, and the YAML in which Ultralytics describes a data set.

The YAML is read as data: what it may hold to be executed (``download``) is left alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from segnet.data.datasets.folder.shapes import Outline
from segnet.data.images import SUFFIXES, read_lines
from segnet.errors import UserError


@dataclass(frozen=True)
class UltralyticsData:
    """What the YAML says.

    Attributes:
        pairs: by split, each image and its label, which may not exist.
        names: of the classes, by their number.
        has_masks: labels are images of class numbers, and not outlines.
        values: of each value in the masks the class's number, where they differ.
    """

    pairs: Mapping[str, list[tuple[Path, Path]]]
    names: Mapping[int, str]
    has_masks: bool
    values: Mapping[int, int]


def read_yolo(path: Path, size: tuple[int, int] = (1, 1)) -> list[Outline]:
    """Return the outlines of an image by the numbers of their classes; no file, no outlines.

    Args:
        path: lines of "CLASS X Y X Y X Y ...", shares of width and height.
        size: height and width of the image.

    Raises:
        UserError: the file holds something else.
    """
    if not path.is_file():
        return []
    outlines = []
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words:
            continue
        try:
            name, shares = str(int(words[0])), [float(word) for word in words[1:]]
        except ValueError as error:
            raise UserError(f"the label {path}, line {number}: expected numbers, got {line.strip()[:40]!r}") from error
        if len(shares) == 4:
            raise UserError(
                f"the label {path}, line {number} holds a box and no outline: boxes are no classes of pixels"
            )
        if len(shares) < 6 or len(shares) % 2 or not all(-0.01 <= share <= 1.01 for share in shares):
            raise UserError(
                f"the label {path}, line {number}: expected a class and three or more points, as shares from 0 to 1 of "
                f"width and height"
            )
        height, width = size
        points = [share * (height if place % 2 else width) for place, share in enumerate(shares)]
        outlines.append(Outline(name, [points]))
    return outlines


def find_yaml(root: Path) -> Path | None:
    """Return the first YAML in a folder that describes a data set as Ultralytics does."""
    for path in sorted(root.glob("*.yaml")):
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, OSError):
            continue
        if isinstance(values, dict) and {"names", "train"} <= set(values):
            return path
    return None


def read_yaml(path: Path) -> UltralyticsData:
    """Read the YAML of a data set.

    Raises:
        UserError: it is none, or the folders that it names are not there.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} is not a YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not {"names", "train"} <= set(values):
        raise UserError(
            f"{path} does not describe a data set: it needs names and train, and better val, as Ultralytics"
        )
    masks = values.get("masks_dir")
    folder = _folder(path, values.get("path"))
    pairs = {}
    for split in ("train", "val", "test"):
        if values.get(split):
            images = list(_images(path, folder, values[split]))
            pairs[split] = [(image, _label(image, str(masks) if masks else "labels", bool(masks))) for image in images]
    return UltralyticsData(pairs, _names(path, values["names"]), bool(masks), _mapping(path, values))


def _names(path: Path, names: Any) -> dict[int, str]:
    numbered = dict(enumerate(names)) if isinstance(names, list) else names
    whole = isinstance(numbered, dict) and all(isinstance(number, int) and 0 <= number < 255 for number in numbered)
    if not whole or not numbered:
        raise UserError(
            f"{path}: names is {names!r}, and has to be a list of names, or a mapping from numbers to names"
        )
    return {number: str(numbered[number]) for number in sorted(numbered)}


def _mapping(path: Path, values: Mapping[str, Any]) -> dict[int, int]:
    mapping = values.get("label_mapping") or {}
    if not isinstance(mapping, dict) or not all(isinstance(one, int) for pair in mapping.items() for one in pair):
        raise UserError(
            f"{path}: label_mapping is {mapping!r}, and has to be a mapping from values to classes' numbers"
        )
    return dict(mapping)


def _folder(path: Path, named: Any) -> Path:
    """Return the folder that ``path:`` names: from the YAML, from a folder datasets beside it, or from here."""
    here = path.absolute().parent
    if named is None:
        return here
    places = [
        here / str(named),
        here / "datasets" / str(named),
        here.parent / "datasets" / str(named),
        Path(str(named)),
    ]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise UserError(f"{path}: path is {named}, and there is no such folder beside the file: put the images there")
    return found


def _images(path: Path, folder: Path, entries: Any) -> Iterator[Path]:
    """Yield the images of a split: of a folder, a list in a text file, or several of these."""
    for entry in entries if isinstance(entries, list) else [entries]:
        # Exports of Roboflow name folders relative to one that does not exist.
        places = [folder / str(entry), folder / str(entry).removeprefix("../")]
        place = next((one for one in places if one.exists()), None)
        if place is None:
            raise UserError(f"{path} names {entry}, which is not in {folder}: put the images there, or mend the file")
        if place.is_dir():
            yield from sorted(one for one in place.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
        else:
            for line in read_lines(place):
                if line.strip():
                    yield place.parent / line.strip()


def _label(image: Path, folder: str, masks: bool) -> Path:
    """Return the label of an image: the last folder ``images`` of its path replaced, and the suffix."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = folder
            break
    label = Path(*parts)
    if not masks:
        return label.with_suffix(".txt")
    endings = (".png", ".PNG", ".bmp", ".tif")
    return next(
        (label.with_suffix(end) for end in endings if label.with_suffix(end).is_file()), label.with_suffix(".png")
    )
