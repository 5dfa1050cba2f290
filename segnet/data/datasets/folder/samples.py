"""What is found in a folder: samples, their splits, and what is alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from segnet.data.datasets.folder.layers import Layers
from segnet.data.datasets.folder.masks import Colour

LabelKind = Literal["index", "colour", "labelme", "coco", "yolo", "layers"]
"""What labels are: images of values or of colours, files of outlines, or a black and white mask for each label."""
OUTLINES: tuple[LabelKind, ...] = ("labelme", "coco", "yolo")
NAMED: tuple[LabelKind, ...] = (*OUTLINES, "layers")
"""Labels that tell classes by names."""
SPLIT_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""The usual names of the splits."""
Entries = tuple[int | str | Colour, ...]


@dataclass(frozen=True)
class Sample:
    """One image and its mask, or the file of its outlines, both as paths below the root.

    ``layers`` has the mask of each label, where each has one of its own; ``mask`` is then the first of them.
    """

    image: Path
    mask: Path
    layers: Layers = ()


@dataclass(frozen=True)
class Layout:
    """What was found.

    Attributes:
        name: how files are arranged, for a reader.
        splits: the samples of "train", "val" and "test", or all of them under "all" where the folders name no splits.
        labels: what labels are; None: images, of which a look at them says the rest.
        classes: by name the values, colours or outlines' names of the classes, where files beside the labels say so.
        ignore: values or names that these files ignore.
        lists: of the splits, files that name their images.
    """

    name: str
    splits: Mapping[str, tuple[Sample, ...]]
    labels: LabelKind | None = None
    classes: Mapping[str, Entries] = field(default_factory=dict)
    ignore: Entries = ()
    lists: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Unpaired:
    """Files without a partner, below the root, where they are collected instead of refused."""

    images: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)


def base_folder(root: Path) -> Path:
    """Return the folder that paths are relative to: the root, or that of the file which describes the set."""
    return root.parent if root.is_file() else root
