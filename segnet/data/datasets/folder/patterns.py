"""Which image belongs to which mask, by patterns of file names that ``dataset.yaml`` gives."""

import re
from collections.abc import Mapping
from pathlib import Path

from segnet.data.datasets.folder.samples import SPLIT_FOLDERS, LabelKind, Layout, Sample, Unpaired
from segnet.errors import UserError

SPLIT = "{split}"
OUTLINE_SUFFIXES: Mapping[str, LabelKind] = {".json": "labelme", ".txt": "yolo"}


def by_patterns(root: Path, files: Mapping[str, str], unpaired: Unpaired) -> Layout:
    """Find the samples of ``files: {images: 'scans/*/rgb.png', masks: 'scans/*/label.png'}``.

    A ``*`` stands for any text within a name, ``**`` for folders of any depth, and ``{split}`` for one of the usual
    names of a split. An image and a mask belong together where these stand for the same.

    Raises:
        UserError: the patterns have not the same ``*``, or no image is found, or two of the same
            name, or a file is both an image and a mask.
    """
    images, masks = files["images"], files["masks"]
    if sorted(_stars(images)) != sorted(_stars(masks)) or not _stars(images):
        raise UserError(f"files.images={images} and files.masks={masks} need the same *, which a pair has in common")
    found, labels = _matches(root, images), _matches(root, masks)
    if not found:
        raise UserError(f"no file in {root} is called files.images={images}")
    if both := set(found.values()) & set(labels.values()):
        raise UserError(f"by files.images={images} and files.masks={masks}, {min(both)} is both an image and a mask")
    splits: dict[str, list[Sample]] = {}
    for key, path in found.items():
        if key in labels:
            splits.setdefault(key[0] or "all", []).append(Sample(path, labels[key]))
        else:
            unpaired.images.append(path)
    unpaired.masks += [path for key, path in labels.items() if key not in found]
    kind = OUTLINE_SUFFIXES.get(Path(masks).suffix.lower())
    return Layout(f"{images} with {masks}", {name: tuple(some) for name, some in splits.items()}, kind)


def _stars(pattern: str) -> list[str]:
    return re.findall(r"\*\*|\*|\{split\}", pattern)


def _matches(root: Path, pattern: str) -> dict[tuple[str, ...], Path]:
    """Return the files that a pattern names, by the split ("" for none) and what its stars stand for."""
    names = {name: split for split, known in SPLIT_FOLDERS.items() for name in known}
    parts = {"**/": "(?:(.+)/)?", "**": "(.*)", "*": "([^/]*)", SPLIT: f"(?P<split>{'|'.join(names)})"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\{split\})", pattern)
    expression = re.compile("".join(parts.get(token) or re.escape(token) for token in tokens))
    found: dict[tuple[str, ...], Path] = {}
    for path in sorted(one.relative_to(root) for one in root.rglob("*") if one.is_file()):
        match = expression.fullmatch(path.as_posix())
        if match is None:
            continue
        split = match["split"] if SPLIT in pattern else None
        stars = [text or "" for place, text in enumerate(match.groups(), start=1) if place != _place(expression)]
        key = (names[split] if split else "", *stars)
        if key in found:
            raise UserError(f"the pattern {pattern} finds both {found[key]} and {path} in {root}: make it narrower")
        found[key] = path
    return found


def _place(expression: re.Pattern[str]) -> int | None:
    return expression.groupindex.get("split")
