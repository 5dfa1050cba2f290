"""What ``dataset.yaml`` says, and reading it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from segnet.data.datasets.folder.masks import Colour
from segnet.data.datasets.folder.samples import NAMED, LabelKind
from segnet.errors import UserError

PALETTE: tuple[Colour, ...] = (
    (0, 0, 0),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Black, then the colours of Okabe and Ito 2008, which colour-blind people can tell apart."""
IGNORE_INDEX = 255
FILE = "dataset.yaml"
OPTIONAL = ("files", "merge", "value_range")


@dataclass(frozen=True)
class FolderClass:
    """One class: the values or colours of it in the masks, or outlines' names, and the colour in which it is drawn."""

    values: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    colour: Colour = (0, 0, 0)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class FolderDescription:
    """The content of ``dataset.yaml``.

    Attributes:
        layout: how files are arranged, for a reader.
        masks: "index" where masks hold values, "colour" where they hold colours; "labelme", "coco" or "yolo" where
            labels are files of outlines, "layers" where each label has black and white masks of its own.
        classes: by name, in the order of the labels.
        ignore: values or colours in the masks, or names, that become the ignore index.
        channels: of the images that the network sees, 1 or 3.
        mean: of each channel over the training split, 0..1.
        std: of each channel.
        size: height and width that half of the images reach.
        splits: "val" and "test": shares of the samples that are held out, where the folders do not say, or lists, which
            "train" may have too; "seed" of the draw; "group", see the head of the file.
        files: patterns of the names of "images" and "masks", where the arrangement is another than the usual ones.
        merge: by the name of the new class those of the classes that become one.
        value_range: the values of black and white in the images, see :func:`segnet.data.read_image`; None: by their
            type.
    """

    layout: str
    masks: LabelKind
    classes: Mapping[str, FolderClass]
    ignore: Sequence[Any]
    channels: int
    mean: Sequence[float]
    std: Sequence[float]
    size: tuple[int, int]
    splits: Mapping[str, Any]
    files: Mapping[str, str] | None = None
    merge: Mapping[str, Sequence[str]] = field(default_factory=dict)
    value_range: tuple[float, float] | None = None


def description_file(root: Path) -> Path:
    """Return the path of ``dataset.yaml``; of a data set that a file describes, it stands beside that file."""
    return root.with_name(f"{root.stem}.{FILE}") if root.is_file() else root / FILE


def read_given(path: Path) -> dict[str, Any]:
    """Read what ``dataset.yaml`` says, whole or in part; no file says nothing.

    Raises:
        UserError: it is no YAML, or says what cannot be; the message names the key.
    """
    if not path.is_file():
        return {}
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} is not a YAML file: {' '.join(str(error).split())}") from error
    keys = list(FolderDescription.__dataclass_fields__)
    if not isinstance(values, dict) or not set(values) <= set(keys):
        strange = sorted(map(str, set(values) - set(keys))) if isinstance(values, dict) else [str(values)[:40]]
        close = get_close_matches(strange[0], keys, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UserError(f"{path}: unknown {', '.join(strange)}{hint}; the file takes {', '.join(keys)}")
    _check_types(path, values)
    return values


def missing_keys(values: Mapping[str, Any]) -> list[str]:
    """Return what ``dataset.yaml`` has to say and does not."""
    return [key for key in FolderDescription.__dataclass_fields__ if key not in values and key not in OPTIONAL]


def description_of(path: Path, values: Mapping[str, Any]) -> FolderDescription:
    """Make a description of what a file says, in which no key is missing.

    Raises:
        UserError: a class is said in another way than the labels, or merged and not there.
    """
    classes = read_classes(path, values["classes"], values["masks"])
    _check_entries(path, "ignore", values["ignore"], values["masks"])
    _check_said_once(path, classes, values["ignore"])
    tuples = {key: tuple(values[key]) for key in ("size", "mean", "std", "value_range") if values.get(key)}
    merge = values.get("merge") or {}
    merged = {"classes": _merged(path, classes, merge), "merge": merge}
    return FolderDescription(**{**values, **tuples, **merged})


def read_classes(path: Path, classes: Mapping[object, Any] | Sequence[object], masks: str) -> dict[str, FolderClass]:
    """Read the classes that the file ``path`` gives, for labels of the kind ``masks``.

    Raises:
        UserError: one is said in another way than the labels.
    """
    entries = _by_name(path, classes, masks)
    return {name: _class(path, name, entry, masks, index) for index, (name, entry) in enumerate(entries.items())}


def said_of(entry: FolderClass) -> list[Any]:
    """Return the values, colours or names that mean a class, as the file lists them."""
    return [*entry.values, *(list(colour) for colour in entry.colours), *entry.names]


def _check_said_once(path: Path, classes: Mapping[str, FolderClass], ignore: Sequence[Any]) -> None:
    """Refuse a value, colour or name that means two classes, or one that is ignored too."""
    meant: dict[str, str] = {}
    lists = [*((f"classes.{name}", said_of(entry)) for name, entry in classes.items()), ("ignore", list(ignore))]
    for key, entries in lists:
        for entry in entries:
            before = meant.setdefault(repr(entry), key)
            if before != key:
                raise UserError(f"{path}: {before} and {key} both have {entry!r}: leave it to one of them")


def _merged(
    path: Path, classes: Mapping[str, FolderClass], merge: Mapping[str, Sequence[str]]
) -> dict[str, FolderClass]:
    """Join classes, at the place and in the colour of the first of them; into one that is there, if it has the name."""
    into = {str(old): str(name) for name, some in merge.items() for old in some}
    absent = [name for name in into if name not in classes]
    if absent:
        raise UserError(f"{path}: merge names {', '.join(absent)}, and the classes are {', '.join(classes)}")
    joined: dict[str, FolderClass] = {}
    for old, entry in classes.items():
        name = into.get(old, old)
        first = joined.get(name)
        joined[name] = (
            entry
            if first is None
            else replace(
                first,
                values=first.values + entry.values,
                colours=first.colours + entry.colours,
                names=first.names + entry.names,
            )
        )
    if len(joined) < 2:
        raise UserError(f"{path}: merge leaves one class only: a network needs two to tell apart")
    return joined


def _check_types(path: Path, values: Mapping[str, Any]) -> None:
    """Refuse what is of another kind than :func:`describe_folder` writes."""

    def listed(value: Any, kind: type | tuple[type, ...], count: int | None = None) -> bool:
        fits = isinstance(value, list) and all(isinstance(one, kind) and not isinstance(one, bool) for one in value)
        return fits and (count is None or len(value) == count)

    def named(value: Any, kind: type, keys: set[str] | None = None) -> bool:
        fits = isinstance(value, dict) and all(isinstance(one, kind) for one in value.values())
        return fits and (keys is None or set(value) == keys)

    known = ("index", "colour", *NAMED)
    kinds: Mapping[str, tuple[Callable[[Any], bool], str]] = {
        "layout": (lambda value: isinstance(value, str), "a text, for readers"),
        "masks": (lambda value: value in known, f"one of {', '.join(known)}"),
        "classes": (lambda value: isinstance(value, (dict, list)), "a mapping from names to values or colours"),
        "ignore": (lambda value: isinstance(value, list), "a list"),
        "channels": (lambda value: value in (1, 3), "1 or 3"),
        "mean": (lambda value: listed(value, (int, float)), "a list of numbers, one for each channel"),
        "std": (lambda value: listed(value, (int, float)), "a list of numbers, one for each channel"),
        "size": (lambda value: listed(value, int, 2) and min(value) > 0, "[height, width]"),
        "splits": (lambda value: isinstance(value, dict), "a mapping with val, test, seed and group"),
        "files": (lambda value: named(value, str, {"images", "masks"}), "{images: PATTERN, masks: PATTERN}"),
        "merge": (lambda value: named(value, list), "a mapping such as {vehicle: [car, truck]}"),
        "value_range": (
            lambda value: value is None or (listed(value, (int, float), 2) and value[0] < value[1]),
            "[BLACK, WHITE], the smaller value first",
        ),
    }
    for key, value in values.items():
        fits, words = kinds[key]
        if not fits(value):
            raise UserError(f"{path}: {key} is {value!r}, and has to be {words}")
    _check_splits(path, values.get("splits", {}))


def _check_splits(path: Path, splits: Mapping[str, Any]) -> None:
    if strange := set(splits) - {"train", "val", "test", "seed", "group"}:
        raise UserError(
            f"{path}: splits has {', '.join(map(str, strange))}, and takes train, val, test, seed and group"
        )
    for key in [key for key in ("train", "val", "test") if key in splits]:
        share = splits[key]
        if not (isinstance(share, str) or (isinstance(share, (int, float)) and 0 <= share < 1 and key != "train")):
            wanted = "a list of images" if key == "train" else "a share from 0 to below 1, or a list of images"
            raise UserError(f"{path}: splits.{key} is {share!r}, and has to be {wanted}")
        if isinstance(share, str) and not (path.parent / share).is_file():
            raise UserError(f"{path}: splits.{key} is {share}, and there is no such file in {path.parent}")
    seed = splits.get("seed", 0)
    if not isinstance(seed, int) or seed < 0:
        raise UserError(f"{path}: splits.seed is {seed!r}, and has to be an integer from 0 up")


def _check_entries(path: Path, key: str, entries: Any, masks: str) -> None:
    """Refuse what is no value of a mask, no colour, or no name, whichever the labels hold."""

    def number(value: Any) -> bool:
        return isinstance(value, int) and 0 <= value <= 255

    for entry in entries if isinstance(entries, list) else [entries]:
        if masks in NAMED:
            fits, wanted = isinstance(entry, str), "names"
        elif masks == "index":
            fits, wanted = number(entry), "numbers from 0 to 255"
        else:
            fits = isinstance(entry, list) and len(entry) == 3 and all(map(number, entry))
            wanted = "colours such as [255, 0, 0]"
        if not fits:
            raise UserError(f"{path}: {key} holds {entry!r}, and has to list {wanted}")


def _by_name(path: Path, classes: Mapping[object, Any] | Sequence[object], masks: str) -> dict[str, Any]:
    """Return what means each class; in a list of names a class has the value of its place, or its name in outlines."""
    if isinstance(classes, Mapping):
        return {str(name): entry for name, entry in classes.items()}
    names = [str(name) for name in classes]
    if masks == "colour":
        raise UserError(
            f"{path}: classes is a list of names, and the masks hold colours: give each class its colour, as in "
            f"{{{names[0] if names else 'car'}: [255, 0, 0]}}"
        )
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise UserError(f"{path}: classes has {', '.join(twice)} more than once")
    return {name: name if masks in NAMED else index for index, name in enumerate(names)}


def _class(path: Path, name: str, entry: Any, masks: str, index: int) -> FolderClass:
    """Read the class at a place in the list; ``car: 2`` is short for ``car: {values: [2]}``."""
    kind = "names" if masks in NAMED else "values" if masks == "index" else "colours"
    if entry is not None and not isinstance(entry, dict):
        single = not isinstance(entry, list) or (kind == "colours" and not any(isinstance(one, list) for one in entry))
        entry = {kind: [entry] if single else entry}
    if not isinstance(entry, dict) or not entry.get(kind) or set(entry) - {kind, "colour"}:
        raise UserError(f"{path}: classes.{name} needs {kind} and a colour, as in {{{kind}: [...], colour: [0, 0, 0]}}")
    _check_entries(path, f"classes.{name}.{kind}", entry[kind], masks)
    if "colour" in entry:
        _check_entries(path, f"classes.{name}.colour", [entry["colour"]], "colour")
    colours = tuple(tuple(colour) for colour in entry.get("colours", ()))
    drawn = tuple(entry.get("colour") or (colours[0] if colours else colour_of(index)))
    return FolderClass(tuple(entry.get("values", ())), colours, drawn, tuple(entry.get("names", ())))


def colour_of(index: int) -> Colour:
    """Return the colour in which a class is drawn that has none of its own."""
    if index < len(PALETTE):
        return PALETTE[index]
    red, green, blue = hashlib.blake2b(str(index).encode(), digest_size=3).digest()
    return red, green, blue
