"""What ``dataset.yaml`` says, and reading it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from segnet.data.datasets.folder.masks import Colour
from segnet.data.datasets.folder.samples import OUTLINES, LabelKind
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
            labels are files of outlines.
        classes: by name, in the order of the labels.
        ignore: values or colours in the masks, or names, that become the ignore index.
        channels: of the images that the network sees, 1 or 3.
        mean: of each channel over the training split, 0..1.
        std: of each channel.
        size: height and width that half of the images reach.
        splits: "val" and "test": shares of the samples that are held out, where the folders do not say; "seed" of the
            draw; "group", see the head of the file.
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


def read_description(path: Path) -> FolderDescription:
    """Read ``dataset.yaml``.

    Raises:
        UserError: it is no YAML, lacks something or says what cannot be; the message names the key.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} is not a YAML file: {' '.join(str(error).split())}") from error
    keys = list(FolderDescription.__dataclass_fields__)
    if not isinstance(values, dict) or set(values) != set(keys):
        given = set(values) if isinstance(values, dict) else set()
        strange = sorted(given.symmetric_difference(keys))
        raise UserError(f"{path} should have the keys {', '.join(keys)}; look at {', '.join(map(str, strange))}")
    _check_types(path, values)
    classes = {str(name): _class(path, name, entry, values["masks"]) for name, entry in values["classes"].items()}
    tuples = {key: tuple(values[key]) for key in ("size", "mean", "std")}
    return FolderDescription(**values | {"classes": classes} | tuples)


def _check_types(path: Path, values: Mapping[str, Any]) -> None:
    """Refuse what is of another kind than :func:`describe_folder` writes."""
    kinds: Mapping[str, tuple[type, str]] = {
        "classes": (dict, "a mapping from names to values or colours"),
        "ignore": (list, "a list"),
        "mean": (list, "a list of numbers"),
        "std": (list, "a list of numbers"),
        "size": (list, "[height, width]"),
        "splits": (dict, "a mapping with val, test, seed and group"),
    }
    for key, (kind, words) in kinds.items():
        if not isinstance(values[key], kind):
            raise UserError(f"{path}: {key} is {values[key]!r}, and has to be {words}")
    if values["masks"] not in ("index", "colour", *OUTLINES):
        known = ", ".join(("index", "colour", *OUTLINES))
        raise UserError(f"{path}: masks is {values['masks']!r}, and has to be one of {known}")
    for key in ("val", "test"):
        share = values["splits"].get(key, 0)
        if not isinstance(share, (int, float)) or not 0 <= share < 1:
            raise UserError(f"{path}: splits.{key} is {share!r}, and has to be a share from 0 to below 1")
    _check_entries(path, "ignore", values["ignore"], values["masks"])


def _check_entries(path: Path, key: str, entries: Any, masks: str) -> None:
    """Refuse what is no value of a mask, no colour, or no name, whichever the labels hold."""

    def number(value: Any) -> bool:
        return isinstance(value, int) and 0 <= value <= 255

    for entry in entries if isinstance(entries, list) else [entries]:
        if masks in OUTLINES:
            fits, wanted = isinstance(entry, str), "names"
        elif masks == "index":
            fits, wanted = number(entry), "numbers from 0 to 255"
        else:
            fits = isinstance(entry, list) and len(entry) == 3 and all(map(number, entry))
            wanted = "colours such as [255, 0, 0]"
        if not fits:
            raise UserError(f"{path}: {key} holds {entry!r}, and has to list {wanted}")


def _class(path: Path, name: object, entry: Any, masks: str) -> FolderClass:
    kind = "names" if masks in OUTLINES else "values" if masks == "index" else "colours"
    if not isinstance(entry, dict) or not entry.get(kind) or set(entry) - {kind, "colour"}:
        raise UserError(f"{path}: classes.{name} needs {kind} and a colour, as in {{{kind}: [...], colour: [0, 0, 0]}}")
    _check_entries(path, f"classes.{name}.{kind}", entry[kind], masks)
    if "colour" in entry:
        _check_entries(path, f"classes.{name}.colour", [entry["colour"]], "colour")
    colours = tuple(tuple(colour) for colour in entry.get("colours", ()))
    drawn = tuple(entry.get("colour") or (colours[0] if colours else colour_of(len(str(name)))))
    return FolderClass(tuple(entry.get("values", ())), colours, drawn, tuple(entry.get("names", ())))


def colour_of(index: int) -> Colour:
    """Return the colour in which a class is drawn that has none of its own."""
    if index < len(PALETTE):
        return PALETTE[index]
    red, green, blue = hashlib.blake2b(str(index).encode(), digest_size=3).digest()
    return red, green, blue
