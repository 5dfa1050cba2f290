"""``dataset.yaml``: what was found in a folder of images and masks, for people to read and to change."""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from segnet.data.datasets.folder.layout import Layout, Sample, find_layout
from segnet.data.datasets.folder.masks import Colour, MaskFacts, inspect_masks
from segnet.data.datasets.folder.statistics import ImageFacts, inspect_images
from segnet.errors import UserError
from segnet.run_folder import write_whole

log = logging.getLogger(__name__)

FILE = "dataset.yaml"
HEADER = """\
# What segnet found in this folder. Change what is wrong: what stands here is taken as it is.
# classes: by name the values (or colours) that mean it in the masks, several if they are one class, and the colour
#   in which it is drawn. ignore: values (or colours) that are neither learned nor scored.
# splits: which share of the samples is held out; `group`, a regular expression with one (group), keeps together the
#   samples in whose path it finds the same text, such as the frames of one video: in one split, and in the statistics
#   of an ablation.
"""
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
    """One class: the values or colours of it in the masks, and the colour in which it is drawn."""

    values: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    colour: Colour = (0, 0, 0)


@dataclass(frozen=True)
class FolderDescription:
    """The content of ``dataset.yaml``.

    Attributes:
        layout: how files are arranged, for a reader.
        masks: "index" where masks hold values, "colour" where they hold colours.
        classes: by name, in the order of the labels.
        ignore: values or colours in the masks that become the ignore index.
        channels: of the images that the network sees, 1 or 3.
        mean: of each channel over the training split, 0..1.
        std: of each channel.
        size: height and width that half of the images reach.
        splits: "val" and "test": shares of the samples that are held out, where the folders do not say; "seed" of the
            draw; "group", see the head of the file.
    """

    layout: str
    masks: Literal["index", "colour"]
    classes: Mapping[str, FolderClass]
    ignore: Sequence[Any]
    channels: int
    mean: Sequence[float]
    std: Sequence[float]
    size: tuple[int, int]
    splits: Mapping[str, Any]


def describe_folder(root: Path) -> FolderDescription:
    """Read ``dataset.yaml`` of a folder, or find out what is in it and write the file.

    Raises:
        UserError: see :func:`find_layout` and :func:`inspect_masks`; or the file says what cannot be.
    """
    path = root / FILE
    if path.is_file():
        return read_description(path)
    description = look_at(root, find_layout(root))
    text = HEADER + yaml.safe_dump(_plain(description), sort_keys=False, default_flow_style=None, width=110)
    try:
        write_whole(path, text)
    except OSError as error:
        raise UserError(f"cannot write {path}, which says what the masks mean: {error.strerror or error}") from error
    height, width = description.size
    samples = sum(map(len, find_layout(root).splits.values()))
    log.info(
        "found in %s: %s, %d images of %dx%d (median), %d channel%s, %s masks with the classes %s; look at %s, change "
        "what is wrong",
        *(root, description.layout, samples, width, height, description.channels),
        *("s" if description.channels > 1 else "", description.masks, ", ".join(description.classes), path),
    )
    return description


def look_at(root: Path, layout: Layout) -> FolderDescription:
    """Find out what the samples of a folder hold.

    Raises:
        UserError: see :func:`inspect_masks`.
    """
    splits: dict[str, Any] = {"val": 0.15, "test": 0.15, "seed": 0, "group": None}
    facts = inspect_masks(root / sample.mask for group in layout.splits.values() for sample in group)
    classes, ignore = name_classes(facts)
    training = split_samples(layout, splits)["train"]
    images = inspect_images([root / sample.image for sample in training])
    return _description(layout, facts, classes, ignore, images, splits)


def _description(
    layout: Layout,
    facts: MaskFacts,
    classes: Mapping[str, FolderClass],
    ignore: Sequence[Any],
    images: ImageFacts,
    splits: Mapping[str, Any],
) -> FolderDescription:
    return FolderDescription(
        layout=layout.name,
        masks=facts.kind,
        classes=classes,
        ignore=ignore,
        channels=images.channels,
        mean=images.mean,
        std=images.std,
        size=images.size,
        splits=splits,
    )


def name_classes(facts: MaskFacts) -> tuple[dict[str, FolderClass], list[Any]]:
    """Make classes of what masks hold.

    Two values are background and foreground; 255 beside other values than 0 alone is the ignore index, as it is in
    most public sets.

    Returns:
        The classes by name, and the values that are no class.

    Raises:
        UserError: there is one class only.
    """
    if facts.kind == "colour":
        classes = {f"class_{index}": FolderClass((), (colour,), colour) for index, colour in enumerate(facts.colours)}
        ignore: list[Any] = []
    else:
        values = list(facts.values)
        ignore = [IGNORE_INDEX] if IGNORE_INDEX in values and len(values) > 2 else []
        kept = [value for value in values if value not in ignore]
        names = ["background", "foreground"] if len(kept) == 2 and kept[0] == 0 else [f"class_{v}" for v in kept]
        drawn = dict(zip(facts.values, facts.colours, strict=True)) if facts.colours else {}
        classes = {
            name: FolderClass((value,), (), drawn.get(value, _colour(index)))
            for index, (name, value) in enumerate(zip(names, kept, strict=True))
        }
    if len(classes) < 2:
        raise UserError(
            f"the masks hold one class only ({', '.join(classes) or 'none'}): a network needs two to tell apart"
        )
    return classes, ignore


def _colour(index: int) -> Colour:
    if index < len(PALETTE):
        return PALETTE[index]
    red, green, blue = hashlib.blake2b(str(index).encode(), digest_size=3).digest()
    return red, green, blue


def split_samples(layout: Layout, splits: Mapping[str, Any]) -> dict[str, tuple[Sample, ...]]:
    """Return the samples of "train", "val" and "test"; what the folders do not hold out is drawn, group by group.

    Raises:
        UserError: the shares leave nothing, or ``group`` is no expression with one group.
    """
    found = dict(layout.splits)
    pool = found.pop("all", None) or found.pop("train")
    wanted = {name: float(splits.get(name, 0)) for name in ("val", "test") if name not in found}
    groups: dict[str, list[Sample]] = {}
    for sample in pool:
        groups.setdefault(group_of(sample, splits.get("group")), []).append(sample)
    names = sorted(groups)
    order = np.random.default_rng(int(splits.get("seed", 0))).permutation(len(names))
    drawn = iter([names[place] for place in order])
    for split, share in wanted.items():
        chosen: list[Sample] = []
        while len(chosen) < max(1, round(share * len(pool))):
            name = next(drawn, None)
            if name is None:
                raise UserError(f"{len(names)} groups of samples are too few for the splits {splits}: lower the shares")
            chosen += groups.pop(name)
        found[split] = tuple(sorted(chosen, key=lambda sample: sample.image))
    found["train"] = tuple(sorted((s for group in groups.values() for s in group), key=lambda sample: sample.image))
    if not found["train"]:
        raise UserError(f"the splits {dict(splits)} leave nothing to train on: lower the shares")
    return found


def group_of(sample: Sample, expression: str | None) -> str:
    """Return what ``expression`` finds in the path of a sample's image; the path where it finds nothing, or is None.

    Raises:
        UserError: ``expression`` is no regular expression with one group.
    """
    if expression is None:
        return sample.image.as_posix()
    try:
        found = re.search(expression, sample.image.as_posix())
        return found.group(1) if found else sample.image.as_posix()
    except (re.error, IndexError) as error:
        raise UserError(f"splits.group={expression} is no regular expression with one (group): {error}") from error


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
    if values["masks"] not in ("index", "colour"):
        raise UserError(f"{path}: masks is {values['masks']!r}, and has to be index or colour")
    for key in ("val", "test"):
        share = values["splits"].get(key, 0)
        if not isinstance(share, (int, float)) or not 0 <= share < 1:
            raise UserError(f"{path}: splits.{key} is {share!r}, and has to be a share from 0 to below 1")
    _check_entries(path, "ignore", values["ignore"], values["masks"])


def _check_entries(path: Path, key: str, entries: Any, masks: str) -> None:
    """Refuse what is no value of a mask, or no colour, whichever the masks hold."""

    def number(value: Any) -> bool:
        return isinstance(value, int) and 0 <= value <= 255

    for entry in entries if isinstance(entries, list) else [entries]:
        colour = isinstance(entry, list) and len(entry) == 3 and all(map(number, entry))
        if not (number(entry) if masks == "index" else colour):
            wanted = "numbers from 0 to 255" if masks == "index" else "colours such as [255, 0, 0]"
            raise UserError(f"{path}: {key} holds {entry!r}, and has to list {wanted}")


def _class(path: Path, name: object, entry: Any, masks: str) -> FolderClass:
    kind = "values" if masks == "index" else "colours"
    if not isinstance(entry, dict) or not entry.get(kind) or set(entry) - {"values", "colours", "colour"}:
        raise UserError(f"{path}: classes.{name} needs {kind} and a colour, as in {{{kind}: [...], colour: [0, 0, 0]}}")
    _check_entries(path, f"classes.{name}.{kind}", entry[kind], masks)
    if "colour" in entry:
        _check_entries(path, f"classes.{name}.colour", [entry["colour"]], "colour")
    colours = tuple(tuple(colour) for colour in entry.get("colours", ()))
    drawn = tuple(entry.get("colour") or (colours[0] if colours else _colour(len(str(name)))))
    return FolderClass(tuple(entry.get("values", ())), colours, drawn)


def _plain(description: FolderDescription) -> dict[str, Any]:
    """Return plain lists, dicts and numbers for YAML; a class says only what it has."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if one != ()}
        return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value

    content: dict[str, Any] = plain(asdict(description))
    return content
