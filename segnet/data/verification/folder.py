"""Opens a folder of images and masks although something in it is wrong."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segnet.data.datasets.folder import Folder
from segnet.data.datasets.folder.content import description_file, description_of, missing_keys, read_given
from segnet.data.datasets.folder.description import look_at, split_samples
from segnet.data.datasets.folder.layers import read_layers
from segnet.data.datasets.folder.layout import find_layout
from segnet.data.datasets.folder.masks import MOST_CLASSES, distinct_colours
from segnet.data.datasets.folder.outlines import read_outlines
from segnet.data.datasets.folder.samples import OUTLINES, LabelKind, Sample, Unpaired, base_folder
from segnet.data.images import label_is_coloured, read_coloured_label, read_image, read_label
from segnet.data.value_range import as_range
from segnet.data.verification.problems import Problem
from segnet.devices import available_cores
from segnet.errors import UserError

Range = tuple[float, float] | None


@dataclass(frozen=True)
class FolderSplits:
    """The splits of a folder as far as they can be opened, the names of its classes, and what is wrong before that."""

    splits: dict[str, Folder]
    classes: list[str]
    problems: list[Problem]


def folder_splits(root: Path) -> FolderSplits:
    """Open a folder; files without a partner and masks that cannot be taken are among the problems and left out.

    Nothing is written. Where the folder has no ``dataset.yaml`` yet, what the other masks hold counts.

    Raises:
        UserError: it is in no arrangement that is known, or nothing is left.
    """
    unpaired = Unpaired()
    layout = find_layout(root, unpaired)
    problems = [_alone(path, "mask") for path in unpaired.images] + [_alone(path, "image") for path in unpaired.masks]
    path = description_file(root)
    given = read_given(path)
    if missing_keys(given):
        base = base_folder(root)
        values = as_range(given.get("value_range"))
        every = [sample for samples in layout.splits.values() for sample in samples]
        bad = _bad_labels(base, layout.labels, every, values)
        bad |= _bad_images(base, [sample for sample in every if sample not in bad], values)
        problems += bad.values()
        kept = {name: tuple(one for one in some if one not in bad) for name, some in layout.splits.items()}
        layout = replace(layout, splits=kept)
        if not any(kept.values()):
            first = next(iter(problems)).detail if problems else "it is empty"
            raise UserError(f"no image of {root} has a mask that can be taken: {first}")
        given = look_at(root, layout, given)
    description = description_of(path, given)
    samples = split_samples(layout, description.splits)
    splits = {name: Folder(name, root, None, None, description, samples[name]) for name in ("train", "val", "test")}
    return FolderSplits(splits, list(description.classes), problems)


def _alone(path: Path, partner: str) -> Problem:
    name = path.as_posix()
    return Problem("error", "missing pair", "", name, f"it has no {partner}: add it, or leave this one out", name)


def _bad_images(root: Path, samples: list[Sample], values: Range) -> dict[Sample, Problem]:
    return _unreadable(samples, lambda sample: read_image(root / sample.image, 3, values))


def _bad_labels(root: Path, kind: LabelKind | None, samples: list[Sample], values: Range) -> dict[Sample, Problem]:
    if kind == "layers":
        return _unreadable(samples, lambda sample: read_layers(root, sample.layers))
    if kind not in OUTLINES:
        return _bad_masks(root, samples)

    def look(sample: Sample) -> None:
        image = read_image(root / sample.image, 3, values)
        read_outlines(kind, root / sample.mask, root / sample.image, (image.shape[0], image.shape[1]))

    return _unreadable(samples, look)


def _bad_masks(root: Path, samples: list[Sample]) -> dict[Sample, Problem]:
    """Find masks that cannot be read, are in another form than most, or hold more values than classes can be."""
    coloured: dict[Sample, bool] = {}

    def look(sample: Sample) -> None:
        path = root / sample.mask
        coloured[sample] = label_is_coloured(path)
        values = len(distinct_colours(read_coloured_label(path)) if coloured[sample] else np.unique(read_label(path)))
        if values > MOST_CLASSES:
            raise UserError(
                f"the mask {sample.mask} holds {values} {'colours' if coloured[sample] else 'values'}: its edges were "
                f"smoothed, or it was saved as JPEG on the way, or it is a photo; export it again as PNG"
            )

    bad = _unreadable(samples, look)
    readable = [sample for sample in samples if sample not in bad]
    usual = 2 * sum(coloured[sample] for sample in readable) > len(readable)
    for sample in readable:
        if (kind := coloured[sample]) != usual:
            words = ("coloured", "not") if kind else ("not coloured", "are")
            detail = f"the mask {sample.mask} is {words[0]}, and most masks {words[1]}: save all in one form"
            bad[sample] = _problem(sample, "mask in another form", detail)
    return bad


def _unreadable(samples: list[Sample], look: Callable[[Sample], object]) -> dict[Sample, Problem]:
    def problem(sample: Sample) -> Problem | None:
        try:
            look(sample)
        except UserError as error:
            kind = "unreadable" if "cannot read" in str(error) else "mask cannot be taken"
            return _problem(sample, kind, str(error))
        return None

    with ThreadPoolExecutor(available_cores()) as pool:
        found = zip(samples, pool.map(problem, samples), strict=True)
        return {sample: wrong for sample, wrong in found if wrong is not None}


def _problem(sample: Sample, kind: str, detail: str) -> Problem:
    return Problem("error", kind, "", sample.image.as_posix(), detail, sample.image.as_posix())
