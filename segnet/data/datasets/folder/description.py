"""``dataset.yaml``: what was found in a folder of images and masks, for people to read and to change."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from segnet.data.datasets.folder.content import (
    IGNORE_INDEX,
    FolderClass,
    FolderDescription,
    colour_of,
    description_file,
    description_of,
    missing_keys,
    read_classes,
    read_given,
    said_of,
)
from segnet.data.datasets.folder.labelme import read_labelme
from segnet.data.datasets.folder.layers import sets_of_labels
from segnet.data.datasets.folder.layout import find_layout
from segnet.data.datasets.folder.masks import MaskFacts, inspect_masks
from segnet.data.datasets.folder.samples import OUTLINES, Entries, LabelKind, Layout, Sample, base_folder
from segnet.data.datasets.folder.shapes import IGNORED
from segnet.data.datasets.folder.statistics import inspect_images
from segnet.data.datasets.folder.yolo import read_yolo
from segnet.data.labels import BACKGROUND
from segnet.errors import UserError
from segnet.run_folder import write_whole

log = logging.getLogger(__name__)

HEADER = """\
# What segnet found in this folder. Change what is wrong: what stands here is taken as it is.
# classes: by name the values (or colours) that mean it in the masks, several if they are one class, and the colour
#   in which it is drawn; for outlines the names in their files, and "background" for what no outline covers; for masks
#   in a folder for each label the labels that hold together, such as cell+nucleus.
# ignore: values (colours, names) that are neither learned nor scored.
# merge: {vehicle: [car, truck]} makes one class of two.
# value_range: [0, 4095] if these are black and white in images of more than 8 bits; delete mean and std with it, so
#   that they are measured again. Without it the range of the images' type counts.
# splits: which share of the samples is held out, or a list of images such as train: train.txt; `group`, a regular
#   expression with one (group), keeps together the samples in whose path it finds the same text, such as the frames of
#   one video: in one split, and in the statistics of an ablation.
"""


def describe_folder(root: Path) -> FolderDescription:
    """Read ``dataset.yaml`` of a folder; find out what it does not say, and write that.

    Raises:
        UserError: see :func:`find_layout` and :func:`inspect_masks`; or the file says what cannot be.
    """
    path = description_file(root)
    given = read_given(path)
    if not missing_keys(given):
        return description_of(path, given)
    with naming_verify(root):
        layout = find_layout(root)
        values = look_at(root, layout, given)
    description = description_of(path, values)
    _write(path, values, given)
    height, width = description.size
    log.info(
        "found in %s: %s, %d images of %dx%d (median), %d channel%s, %s masks with the classes %s; look at %s, change "
        "what is wrong",
        *(root, description.layout, sum(map(len, layout.splits.values())), width, height, description.channels),
        *("s" if description.channels > 1 else "", description.masks, ", ".join(description.classes), path),
    )
    return description


def find_samples(root: Path, splits: Mapping[str, Any]) -> dict[str, tuple[Sample, ...]]:
    """Return the samples of each split.

    Raises:
        UserError: see :func:`find_layout` and :func:`split_samples`.
    """
    with naming_verify(root):
        layout = find_layout(root)
    return split_samples(layout, splits)


@contextmanager
def naming_verify(root: Path) -> Iterator[None]:
    """Say beside what is wrong first how to see all that is wrong."""
    try:
        yield
    except UserError as error:
        if not root.exists():
            raise
        raise UserError(f"{error}; segnet-data verify data=folder data.root={root} lists all that is wrong") from error


def _write(path: Path, values: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Write what was found; below what somebody wrote, if anybody did."""
    found = {key: value for key, value in values.items() if key not in given}
    before = path.read_text(encoding="utf-8").rstrip() + "\n\n# What segnet found:\n" if given else HEADER
    text = before + yaml.safe_dump(found, sort_keys=False, default_flow_style=None, width=110)
    try:
        whole = yaml.safe_load(text) == values
    except yaml.YAMLError:
        whole = False
    if not whole:
        raise UserError(f"{path}: what was found cannot be added to it: let each key begin a line, without braces")
    try:
        write_whole(path, text)
    except OSError as error:
        raise UserError(f"cannot write {path}, which says what the masks mean: {error.strerror or error}") from error


def look_at(root: Path, layout: Layout, given: Mapping[str, Any]) -> dict[str, Any]:
    """Find out what the samples of a folder hold, and return it as ``dataset.yaml`` says it.

    Args:
        root: the folder.
        layout: its samples.
        given: what is known already.

    Raises:
        UserError: see :func:`inspect_masks`; or there is one class only.
    """
    splits: dict[str, Any] = {"val": 0.15, "test": 0.15, "seed": 0, "group": None}
    splits |= given.get("splits", layout.lists)
    content: dict[str, Any] = {"layout": layout.name}
    if not {"masks", "classes", "ignore"} <= set(given):
        content |= _meaning_beside(root, layout, given)
    base = base_folder(root)
    training = [base / sample.image for sample in split_samples(layout, splits)["train"]]
    images = inspect_images(training, given.get("value_range"))
    content |= {"channels": images.channels, "mean": list(images.mean), "std": list(images.std)}
    return {**content, "size": list(images.size), "splits": splits, **given}


def _meaning_beside(root: Path, layout: Layout, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the masks hold, for ``dataset.yaml``, beside what is given of it."""
    masks, found, ignore = _meaning(root, layout)
    # What is given as ignored is no class, and what is given as a class is not ignored.
    ignored = given.get("ignore", ())
    classes = {name: entry for name, entry in found.items() if any(one not in ignored for one in said_of(entry))}
    if len(classes) < 2 and "classes" not in given:
        raise UserError(
            f"the masks hold one class only ({', '.join(classes) or 'none'}): a network needs two to tell apart"
        )
    named = read_classes(description_file(root), given.get("classes", {}), given.get("masks", masks)).values()
    said = [one for entry in named for one in said_of(entry)]
    return {
        "masks": masks,
        "classes": {name: _plain(entry) for name, entry in classes.items()},
        "ignore": [one for one in _listed(ignore) if one not in said],
    }


def _meaning(root: Path, layout: Layout) -> tuple[LabelKind, dict[str, FolderClass], list[Any]]:
    """Return what labels are, what their values, colours or names mean, and which of these are ignored."""
    base = base_folder(root)
    samples = list(dict.fromkeys(sample for group in layout.splits.values() for sample in group))
    labels = list(dict.fromkeys(base / sample.mask for sample in samples))
    if layout.labels == "layers":
        sets = sets_of_labels(base, [sample.layers for sample in samples])
        return "layers", _given({name: (name,) for name in sets}, "names"), []
    if layout.labels in OUTLINES:
        given = layout.classes or _outline_names(layout.labels, labels)
        return layout.labels, _given(given, "names"), [*layout.ignore, IGNORED]
    if layout.labels == "index":
        return "index", _given(layout.classes, "values"), list(layout.ignore)
    facts = inspect_masks(labels)
    classes, ignore = name_classes(facts)
    return facts.kind, _renamed(classes, layout.classes), ignore


def _outline_names(kind: LabelKind, labels: Sequence[Path]) -> dict[str, Entries]:
    """Return the names in files of outlines: the background, then the others in the order of their letters."""
    read = read_labelme if kind == "labelme" else read_yolo
    names = {outline.name for path in labels for outline in read(path)} - {BACKGROUND, IGNORED}
    if kind == "yolo":  # numbers
        called = {f"class_{name}": (name,) for name in sorted(names, key=int)}
    else:
        called = {name: (name,) for name in sorted(names)}
    return {BACKGROUND: (BACKGROUND,), **called}


def _given(classes: Mapping[str, Entries], kind: str) -> dict[str, FolderClass]:
    if len(classes) > IGNORE_INDEX:
        raise UserError(f"the labels have {len(classes)} classes, and there is room for {IGNORE_INDEX}: merge some")
    return {
        name: FolderClass(**{kind: tuple(entries), "colour": colour_of(index)})  # type: ignore[arg-type]
        for index, (name, entries) in enumerate(classes.items())
    }


def _renamed(classes: Mapping[str, FolderClass], called: Mapping[str, Entries]) -> dict[str, FolderClass]:
    """Give classes the names of a list of colours, which may have further classes that no mask holds."""
    names = {colour: name for name, colours in called.items() for colour in colours}
    found = {names.get(entry.colour, name): entry for name, entry in classes.items()}
    coloured = any(entry.colours for entry in classes.values())
    known = {
        name: found.get(name, FolderClass((), (colour,), colour))  # type: ignore[arg-type]
        for name, (colour,) in called.items()
        if name in found or coloured
    }
    return known | {name: entry for name, entry in found.items() if name not in known}


def name_classes(facts: MaskFacts) -> tuple[dict[str, FolderClass], list[Any]]:
    """Make classes of what masks hold.

    Two values are background and foreground; 255 beside other values than 0 alone is the ignore index, as it is in
    most public sets.

    Returns:
        The classes by name, and the values that are no class.
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
            name: FolderClass((value,), (), drawn.get(value, colour_of(index)))
            for index, (name, value) in enumerate(zip(names, kept, strict=True))
        }
    return classes, ignore


def split_samples(layout: Layout, splits: Mapping[str, Any]) -> dict[str, tuple[Sample, ...]]:
    """Return the samples of "train", "val" and "test"; what the folders do not hold out is drawn, group by group.

    Raises:
        UserError: the shares leave nothing, or ``group`` is no expression with one group.
    """
    found = dict(layout.splits)
    pool = found.pop("all", None) or found.pop("train")
    wanted = {name: _share(splits.get(name, 0)) for name in ("val", "test") if name not in found}
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


def _share(value: Any) -> float:
    return 0.0 if isinstance(value, str) else float(value)


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


def _plain(entry: FolderClass) -> dict[str, Any]:
    """Return lists and numbers for YAML; a class says only what it has."""
    return {key: _listed(value) for key, value in asdict(entry).items() if value != ()}


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, (list, tuple)) else value
