"""Which image belongs to which mask, and to which split, in a folder as people keep them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from segnet.data.datasets.folder.content import description_file, read_given
from segnet.data.datasets.folder.layers import label_folders
from segnet.data.datasets.folder.lists import by_lists, listed_pairs, split_lists
from segnet.data.datasets.folder.named import coco, ultralytics, voc
from segnet.data.datasets.folder.patterns import by_patterns
from segnet.data.datasets.folder.samples import SPLIT_FOLDERS, LabelKind, Layout, Sample, Unpaired, base_folder
from segnet.data.images import SUFFIXES, read_lines
from segnet.errors import UserError

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "JPEGImages")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "annots", "gt", "SegmentationClass")
MASK_ENDINGS = ("_mask", "_label", "_labels", "_seg", "_segmentation", "_gt", "_L")


LEAVE_OUT = "leave_out.txt"
"""Lists images, a path below the root in each line, that are treated as if they were not there, and their masks too."""


def find_layout(root: Path, unpaired: Unpaired | None = None) -> Layout:
    """Find the samples of a folder; what ``leave_out.txt`` in it lists is left out.

    Known are, with ``images`` and ``masks`` standing for the usual names of both: ``images/`` beside ``masks/``;
    ``train/images`` and ``train/masks``; ``images/train`` and ``masks/train``; ``train/`` beside ``trainannot/``; and
    masks beside their images, called ``NAME_mask.png``; in the place of a mask one for each label, in folders of the
    labels' names. Instead of masks, ``NAME.json`` of Labelme or ``NAME.txt`` of
    YOLO; or one JSON of COCO's for all; or a YAML of Ultralytics; or VOC's arrangement with its lists; or lists of
    images and masks. ``files`` in ``dataset.yaml`` names another. Where folders name no splits, lists may.

    Args:
        root: the folder, or a YAML of Ultralytics.
        unpaired: takes files without a partner; None: they are an error.

    Raises:
        UserError: there is no such folder, nothing in it is known, or an image and a mask have no partner.
    """
    if not root.is_dir() and not (root.is_file() and root.suffix in (".yaml", ".yml")):
        raise UserError(f"data.root={root} is not a folder, nor a YAML that describes a data set")
    found, given = Unpaired(), read_given(description_file(root))
    layout = by_patterns(root, given["files"], found) if given.get("files") else _known(root, found)
    if set(layout.splits) == {"all"} or given.get("splits"):
        layout = by_lists(base_folder(root), layout, split_lists(base_folder(root), given.get("splits", {})))
    return _without(root, layout, found, unpaired)


def _known(root: Path, found: Unpaired) -> Layout:
    for find in (
        ultralytics,
        coco,
        voc,
        _splits_inside,
        _splits_outside,
        _side_by_side,
        _annotated,
        _suffixed,
        _described,
    ):
        layout = find(root, found)
        if layout is not None:
            return layout
    layout = listed_pairs(root)
    if layout is not None:
        return layout
    raise UserError(
        f"data.root={root} holds no images with masks in an arrangement that is known: put images into "
        f"{root / 'images'} and masks of the same names into {root / 'masks'}, or name a mask NAME_mask.png beside its "
        f"image, or say files: {{images: PATTERN, masks: PATTERN}} in {root / 'dataset.yaml'}; docs/guide.md lists "
        f"what is understood"
    )


def _without(root: Path, layout: Layout, found: Unpaired, unpaired: Unpaired | None) -> Layout:
    """Leave out what is listed; refuse or collect what is unpaired beside it."""
    listing = base_folder(root) / LEAVE_OUT
    listed = {Path(line.strip()) for line in read_lines(listing) if line.strip()} if listing.is_file() else set()
    found.images = [path for path in found.images if path not in listed]
    found.masks = [path for path in found.masks if path not in listed]
    if unpaired is None:
        _refuse_missing(found.images, "mask", root)
        _refuse_missing(found.masks, "image", root)
    else:
        unpaired.images, unpaired.masks = found.images, found.masks
    kept = {
        split: tuple(sample for sample in samples if sample.image not in listed)
        for split, samples in layout.splits.items()
    }
    return replace(layout, splits=kept)


def _side_by_side(root: Path, unpaired: Unpaired) -> Layout | None:
    pair = _image_and_mask_folder(root)
    return pair and Layout(
        f"{pair[0].name}/ beside {pair[1].name}/", {"all": _pairs(root, *pair, unpaired)}, _kind(*pair)
    )


def _splits_outside(root: Path, unpaired: Unpaired) -> Layout | None:
    """Find ``train/images`` and ``train/masks``."""
    found = {}
    for split, folder in _split_folders(root):
        pair = _image_and_mask_folder(folder)
        if pair is not None:
            found[split] = (folder, pair)
    if "train" not in found:
        return None
    folder, pair = found["train"]
    name = f"{folder.name}/{pair[0].name} beside {folder.name}/{pair[1].name}"
    return Layout(name, {split: _pairs(root, *pair, unpaired) for split, (_, pair) in found.items()}, _kind(*pair))


def _splits_inside(root: Path, unpaired: Unpaired) -> Layout | None:
    """Find ``images/train`` and ``masks/train``."""
    pair = _image_and_mask_folder(root)
    if pair is None:
        return None
    images, masks = (dict(_split_folders(folder)) for folder in pair)
    shared = [split for split in images if split in masks]
    if "train" not in shared:
        return None
    name = f"{pair[0].name}/{images['train'].name} beside {pair[1].name}/{masks['train'].name}"
    kind = _kind(images["train"], masks["train"])
    return Layout(name, {split: _pairs(root, images[split], masks[split], unpaired) for split in shared}, kind)


def _annotated(root: Path, unpaired: Unpaired) -> Layout | None:
    """Find ``train/`` beside ``trainannot/``."""
    found = {}
    for split, folder in _split_folders(root):
        for ending in ("annot", "_labels", "_masks"):
            masks = folder.with_name(folder.name + ending)
            if masks.is_dir():
                found[split] = (folder, masks)
    if "train" not in found:
        return None
    name = " beside ".join(f"{folder.name}/" for folder in found["train"])
    kind = _kind(*found["train"])
    return Layout(name, {split: _pairs(root, *pair, unpaired) for split, pair in found.items()}, kind)


def _suffixed(root: Path, unpaired: Unpaired) -> Layout | None:
    """Find ``NAME.jpg`` with ``NAME_mask.png`` beside it, in folders of splits or none."""
    folders = dict(_split_folders(root)) or {"all": root}
    splits, ending = {}, None
    for split, folder in folders.items():
        files = {path.stem: path for path in _files(folder)}
        ending = next((end for end in MASK_ENDINGS if any(f"{stem}{end}" in files for stem in files)), None)
        if ending is None:
            return None
        images = [stem for stem in files if not stem.endswith(ending)]
        unpaired.images += [files[stem].relative_to(root) for stem in images if f"{stem}{ending}" not in files]
        splits[split] = tuple(
            Sample(files[stem].relative_to(root), files[f"{stem}{ending}"].relative_to(root))
            for stem in sorted(images)
            if f"{stem}{ending}" in files
        )
    return Layout(f"NAME.* beside NAME{ending}.*", splits)


def _described(root: Path, unpaired: Unpaired) -> Layout | None:
    """Find ``NAME.jpg`` with ``NAME.json`` of Labelme beside it, in folders of splits or none."""
    folders = dict(_split_folders(root)) or {"all": root}
    splits = {
        split: _pairs(root, folder, folder, unpaired, "labelme")
        for split, folder in folders.items()
        if _files(folder, [".json"])
    }
    if "train" not in splits and "all" not in splits:
        return None
    return Layout("NAME.* beside NAME.json", splits, "labelme")


def _kind(images: Path, masks: Path) -> LabelKind | None:
    """Return what the labels in a folder are: outlines where it has no images but files of that kind."""
    if _files(masks):
        return "layers" if label_folders(images, masks) else None
    return "labelme" if _files(masks, [".json"]) else "yolo" if _files(masks, [".txt"]) else None


def _split_folders(root: Path) -> Iterator[tuple[str, Path]]:
    for split, names in SPLIT_FOLDERS.items():
        folder = _first_folder(root, names)
        if folder is not None:
            yield split, folder


def _image_and_mask_folder(root: Path) -> tuple[Path, Path] | None:
    images, masks = _first_folder(root, IMAGE_FOLDERS), _first_folder(root, MASK_FOLDERS)
    return (images, masks) if images is not None and masks is not None else None


def _first_folder(root: Path, names: Iterable[str]) -> Path | None:
    by_name = {path.name.lower(): path for path in sorted(root.iterdir(), reverse=True) if path.is_dir()}
    return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)


def _pairs(
    root: Path, images: Path, masks: Path, unpaired: Unpaired, kind: LabelKind | None = None
) -> tuple[Sample, ...]:
    """Join images and masks of the same relative path without its suffix; a mask's name may end in ``_mask``."""
    kind = kind or _kind(images, masks)
    if kind == "layers":
        return _layered(root, images, masks, unpaired)
    suffixes = [".json"] if kind == "labelme" else [".txt"] if kind == "yolo" else SUFFIXES
    by_name = {path.relative_to(masks).with_suffix(""): path for path in _files(masks, suffixes)}
    samples = []
    for image in _files(images):
        name = image.relative_to(images).with_suffix("")
        candidates = [name, *(name.with_name(name.name + ending) for ending in MASK_ENDINGS)]
        mask = next((by_name[candidate] for candidate in candidates if candidate in by_name), None)
        if mask is None and kind == "yolo":  # where YOLO finds no file, there is no object
            mask = masks / name.with_name(name.name + ".txt")
        if mask is None:
            unpaired.images.append(image.relative_to(root))
        else:
            samples.append(Sample(image.relative_to(root), mask.relative_to(root)))
    paired = {root / sample.mask for sample in samples}
    unpaired.masks += [path.relative_to(root) for path in by_name.values() if path not in paired]
    if not samples and not unpaired.images:
        raise UserError(f"{images} holds no images ({', '.join(SUFFIXES)})")
    return tuple(samples)


def _layered(root: Path, images: Path, masks: Path, unpaired: Unpaired) -> tuple[Sample, ...]:
    """Join images with the masks of the same relative path in each label's folder; a label may have none."""
    by_label = {
        folder.name: {path.relative_to(folder).with_suffix(""): path.relative_to(root) for path in _files(folder)}
        for folder in label_folders(images, masks)
    }
    samples, names = [], set()
    for image in _files(images):
        name = image.relative_to(images).with_suffix("")
        names.add(name)
        layers = tuple((label, by_name[name]) for label, by_name in by_label.items() if name in by_name)
        if layers:
            samples.append(Sample(image.relative_to(root), layers[0][1], layers))
        else:
            unpaired.images.append(image.relative_to(root))
    alone = (path for by_name in by_label.values() for name, path in by_name.items() if name not in names)
    unpaired.masks += alone
    return tuple(samples)


def _files(folder: Path, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Return the image files (or others) below a folder, hidden ones left out, in the order of their names."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


def _refuse_missing(paths: list[Path], partner: str, root: Path) -> None:
    if paths:
        listed = ", ".join(str(path) for path in paths[:3])
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        raise UserError(f"{listed}{more} in {root} have no {partner}: add it, or move them elsewhere")
