"""Splits by lists of images: ``train.txt``, ``val.txt`` and ``test.txt``, or what ``dataset.yaml`` names."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from segnet.data.datasets.folder.samples import SPLIT_FOLDERS, Layout, Sample
from segnet.data.images import SUFFIXES, read_lines
from segnet.errors import UserError

SPLITS = ("train", "val", "test")


def split_lists(root: Path, splits: Mapping[str, Any]) -> dict[str, str]:
    """Return the list of each split that has one: what ``splits`` of ``dataset.yaml`` names, or what lies there."""
    if splits:
        return {name: splits[name] for name in SPLITS if isinstance(splits.get(name), str)}
    found = {}
    for split, names in SPLIT_FOLDERS.items():
        name = next((f"{one}.txt" for one in names if (root / f"{one}.txt").is_file()), None)
        if name is not None:
            found[split] = name
    return found if "train" in found and len(found) > 1 else {}


def by_lists(root: Path, layout: Layout, lists: Mapping[str, str]) -> Layout:
    """Give each split the samples that its list names; where there is no list for training, it has all others.

    A line is the path or the name of an image, with or without its suffix, and its mask may follow. Only as many
    of the last parts of a path count as tell images apart.

    Raises:
        UserError: a list is not there, or names an image that is not there or is in another list.
    """
    if not lists:
        return layout
    samples = [sample for some in layout.splits.values() for sample in some]
    places = _by_endings(samples)
    splits: dict[str, tuple[Sample, ...]] = {}
    taken: dict[Sample, str] = {}
    for split, name in lists.items():
        chosen = []
        for number, line in enumerate(read_lines(root / name), start=1):
            if not line.strip():
                continue
            sample = _find(places, line)
            if sample is None:
                raise UserError(f"{root / name}, line {number}, names {line.strip()!r}, which is no image of {root}")
            if taken.setdefault(sample, name) != name:
                raise UserError(f"{sample.image} is in both lists, {taken[sample]} and {name}: take it out of one")
            chosen.append(sample)
        splits[split] = tuple(dict.fromkeys(chosen))
    if "train" not in lists:
        splits["all"] = tuple(sample for sample in samples if sample not in taken)
    return replace(layout, name=f"{layout.name}, with lists", splits=splits, lists=lists)


def listed_pairs(root: Path) -> Layout | None:
    """Find lists whose lines name an image and its mask, wherever these are in the folder."""
    splits, lists = {}, split_lists(root, {})
    for split, name in lists.items():
        lines = [line.split() for line in read_lines(root / name) if line.strip()]
        if not lines or any(len(words) != 2 for words in lines):
            return None
        pairs = [[_below(root, word) for word in words] for words in lines]
        if not all(path is not None and path.suffix.lower() in SUFFIXES for pair in pairs for path in pair):
            return None
        splits[split] = tuple(Sample(image, mask) for image, mask in pairs if image and mask)
    return Layout("lists of images and masks", splits, lists=lists) if splits else None


def _below(root: Path, word: str) -> Path | None:
    """Return the longest end of a path that is a file in the folder."""
    parts = Path(word).parts
    ends = (Path(*parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if not end.is_absolute() and (root / end).is_file()), None)


def _by_endings(samples: list[Sample]) -> dict[tuple[str, ...], Sample | None]:
    """Return the samples by each end of their images' paths, with suffix and without; None where several have it."""
    places: dict[tuple[str, ...], Sample | None] = {}
    for sample in samples:
        for path in {sample.image, sample.image.with_suffix("")}:
            for start in range(len(path.parts)):
                key = path.parts[start:]
                places[key] = None if places.get(key, sample) != sample else sample
    return places


def _find(places: Mapping[tuple[str, ...], Sample | None], line: str) -> Sample | None:
    for text in (line.strip(), *line.split()[:1]):
        parts = Path(text).parts
        for start in range(len(parts)):
            sample = places.get(parts[start:])
            if sample is not None:
                return sample
    return None
