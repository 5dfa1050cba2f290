"""Reads every sample of every split once, and collects what is wrong instead of stopping at the first."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from segnet.data.cache import CachedDataset
from segnet.data.integrity import count_values, other_channels
from segnet.data.module import SPLITS, DataModule
from segnet.data.samples import SegmentationDataset
from segnet.data.verification.images import alike, fingerprint, strange_header
from segnet.data.verification.labels import likely_cause, strange_values
from segnet.data.verification.problems import Problem, by_severity
from segnet.errors import UserError
from segnet.randomness import numpy_stream

Progress = Callable[[Iterable["SampleFacts"], int], Iterable["SampleFacts"]]
"""Passes on the samples that it is given, one after another, of which there are so many; shows a bar."""


@dataclass
class SampleFacts:
    """What reading one sample told.

    Attributes:
        split: its split.
        name: of the sample.
        problems: that it has by itself.
        counts: pixels of each value of the label, ``(256,)``; None where it could not be read.
        size: height and width of the image.
        content: hash of the image.
        fingerprint: of the image, see :func:`segnet.data.verification.images.fingerprint`.
    """

    split: str
    name: str
    problems: list[Problem] = field(default_factory=list)
    counts: np.ndarray | None = None
    size: tuple[int, int] = (0, 0)
    content: bytes = b""
    fingerprint: np.ndarray | None = None


def split_sources(data: DataModule) -> tuple[dict[str, SegmentationDataset], list[Problem]]:
    """Return the splits that can be opened, read from their files and not from a cache, and what keeps the others."""
    sources: dict[str, SegmentationDataset] = {}
    problems = []
    for split in SPLITS:
        try:
            sources[split] = data.source(split)
        except UserError as error:
            problems.append(Problem("error", "split cannot be opened", split, "", str(error)))
    return sources, problems


def verify_splits(
    splits: Mapping[str, SegmentationDataset],
    classes: Sequence[str],
    ignore_index: int,
    threads: int = 2,
    progress: Progress | None = None,
) -> list[Problem]:
    """Read every sample once and return all problems; see :func:`read_splits` and :func:`find_problems`."""
    return find_problems(read_splits(splits, None, threads, progress), splits, classes, ignore_index)


def read_splits(
    splits: Mapping[str, SegmentationDataset],
    channels: int | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> list[SampleFacts]:
    """Read every sample once.

    Args:
        splits: by name; what is wrong with a sample of one behind a cache is what is wrong with its files.
        channels: that images should have; None takes any number.
        threads: that read.
        progress: see :data:`Progress`.
    """
    places = [(split, index) for split, dataset in splits.items() for index in range(len(dataset.ids))]
    with ThreadPoolExecutor(threads) as pool:
        read = pool.map(lambda place: _read(splits[place[0]], place[0], place[1], channels), places)
        return list(read if progress is None else progress(read, len(places)))


def find_problems(
    samples: Sequence[SampleFacts],
    splits: Mapping[str, SegmentationDataset],
    classes: Sequence[str],
    ignore_index: int,
) -> list[Problem]:
    """Return all problems of samples that were read, errors first.

    Found are files that cannot be read, sizes that differ, labels that are no class, classes that a split has not,
    images that are the same or almost the same in two splits, and what files have that is resolved silently.

    Args:
        samples: see :func:`read_splits`.
        splits: by name.
        classes: names of the classes 0..K-1.
        ignore_index: label that is not scored.
    """
    problems = [problem for sample in samples for problem in sample.problems]
    problems += _empty_splits(splits)
    problems += _strange_labels(samples, len(classes), ignore_index)
    problems += _absent_classes(samples, splits, classes, ignore_index)
    problems += _duplicates(samples)
    return by_severity(problems)


def _read(dataset: SegmentationDataset, split: str, index: int, channels: int | None) -> SampleFacts:
    """Read one sample; what is wrong with it is among its problems."""
    name = str(dataset.ids[index])
    sample = SampleFacts(split, name)
    source = dataset.dataset if isinstance(dataset, CachedDataset) else dataset
    files: Callable[[int], Sequence[Path]] | None = getattr(source, "files", None)
    try:
        if files is not None:
            sample.problems += strange_header(Path(files(index)[0]), split, name)
        image, label = dataset.load(index, numpy_stream("integrity", index))
    except UserError as error:
        kind = _kind(str(error))
        sample.problems.append(Problem("error", kind, split, name, str(error), name))
        return sample
    sample.size = (image.shape[0], image.shape[1])
    if sample.size != label.shape:
        detail = f"the image is {image.shape[1]}x{image.shape[0]}, the label {label.shape[1]}x{label.shape[0]}"
        sample.problems.append(Problem("error", "sizes differ", split, name, detail, name))
        return sample
    if channels not in (None, image.shape[2]):
        detail = other_channels(name, image.shape[2], channels)
        sample.problems.append(Problem("error", "other channels", split, name, detail))
    sample.counts = count_values(label)
    sample.content = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
    sample.fingerprint = fingerprint(image)
    return sample


def _kind(message: str) -> str:
    kinds = {
        "differ in size": "sizes differ",
        "cannot read": "unreadable",
        "does not exist": "missing",
        "holds": "label outside the classes",
        "stored as": "label stored with loss",
        "colour image": "label is a colour image",
        "frames or pages": "several frames",
    }
    return next((kind for part, kind in kinds.items() if part in message), "refused")


def _empty_splits(splits: Mapping[str, SegmentationDataset]) -> list[Problem]:
    return [
        Problem("error", "empty split", split, "", "it holds no images, and each of train, val and test needs one")
        for split, dataset in splits.items()
        if not len(dataset.ids)
    ]


def _strange_labels(samples: Sequence[SampleFacts], classes: int, ignore_index: int) -> list[Problem]:
    seen = sum((sample.counts for sample in samples if sample.counts is not None), np.zeros(256, np.int64))
    problems = []
    for sample in samples:
        if sample.counts is None:
            continue
        strange = strange_values(sample.counts, classes, ignore_index)
        if strange:
            shown = ", ".join(f"{value} ({pixels} px)" for value, pixels in list(strange.items())[:4])
            more = f" and {len(strange) - 4} more" if len(strange) > 4 else ""
            detail = f"{shown}{more}: {likely_cause(list(strange), seen, classes)}"
            kind = "label outside the classes"
            problems.append(Problem("error", kind, sample.split, sample.name, detail, sample.name))
        elif ignore_index < 256 and sample.counts.sum() == sample.counts[ignore_index]:
            detail = "every pixel is ignored: nothing is learned from it, and nothing scored"
            problems.append(Problem("warning", "nothing to learn", sample.split, sample.name, detail, sample.name))
    return problems


def _absent_classes(
    samples: Sequence[SampleFacts], splits: Iterable[str], classes: Sequence[str], ignore_index: int
) -> list[Problem]:
    problems = []
    for split in splits:
        counted = [sample.counts for sample in samples if sample.split == split and sample.counts is not None]
        if not counted:
            continue
        pixels = np.sum(counted, axis=0)
        absent = [name for index, name in enumerate(classes) if not pixels[index] and index != ignore_index]
        if absent:
            detail = f"{', '.join(absent)}: " + (
                "never learned, so never found" if split == "train" else "not scored, unless it is predicted"
            )
            problems.append(Problem("warning", "class never seen", split, "", detail))
    return problems


def _duplicates(samples: Sequence[SampleFacts]) -> list[Problem]:
    """Find images that are in two splits, which then leak from training into the scores; or twice in one."""
    first: dict[bytes, SampleFacts] = {}
    problems, same = [], set()
    for sample in samples:
        if not sample.content:
            continue
        other = first.setdefault(sample.content, sample)
        if other is sample:
            continue
        same.add(id(sample))
        across = other.split != sample.split
        problems.append(
            Problem(
                "error" if across else "warning",
                "same image in two splits" if across else "same image twice",
                sample.split,
                sample.name,
                f"pixel for pixel {other.name} of {other.split}",
                other.name if across and other.split == "train" else sample.name,  # the test stays as it is
            )
        )
    hashed = [sample for sample in samples if sample.fingerprint is not None and id(sample) not in same]
    splits = {split: [one for one in hashed if one.split == split] for split in SPLITS}
    for (one, first_group), (_, second_group) in combinations(splits.items(), 2):
        later, earlier = (np.array([sample.fingerprint for sample in group]) for group in (second_group, first_group))
        for place, other_place in alike(later, earlier):
            found, other = second_group[place], first_group[other_place]
            detail = f"looks like {other.name} of {one}; are they neighbouring frames? keep them in one split"
            kind = "almost the same image in two splits"
            problems.append(Problem("warning", kind, found.split, found.name, detail, found.name))
    return problems
