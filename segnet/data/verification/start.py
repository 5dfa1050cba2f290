"""What every training does first: verify its data set, unless it has been verified as it is."""

import hashlib
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import filelock
import numpy as np
import torch

from segnet.arrays_file import read_arrays
from segnet.data.cache import CachedDataset
from segnet.data.module import SPLITS, DataModule
from segnet.data.samples import FileDataset, SegmentationDataset
from segnet.data.verification.bar import reading_bar
from segnet.data.verification.problems import Problem
from segnet.data.verification.verify import SampleFacts, find_problems, read_splits
from segnet.devices import available_cores
from segnet.errors import UserError
from segnet.run_folder import write_whole

log = logging.getLogger(__name__)

COMMAND = "segnet-data verify, with the same data=..., lists"


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        problems: all of them.
        counts: of each split the pixels of each class, ``(images, K)``, ignored ones left out.
        sizes: of each split height and width of each image, ``(images, 2)``.
    """

    problems: Sequence[Problem]
    counts: dict[str, np.ndarray]
    sizes: dict[str, np.ndarray]


def verify_once(data: DataModule) -> list[Problem]:
    """Verify a data set that is made from files, and tell the module what its labels hold.

    What was found is kept beside the decoded images (see :class:`segnet.data.cache.CachedDataset`) and taken from
    there as long as no file, setting or code that it follows from changes.

    Returns:
        What is no error.

    Raises:
        UserError: there are errors; the message has the first, and says how to see all.
    """
    splits = {split: data.split(split) for split in SPLITS}
    holders = [_holder(data, name, split) for name, split in splits.items() if len(split.ids)]
    if not all(hasattr(holder.dataset, "files") for holder in holders):
        return []
    verified = _verify_or_recall(data, splits, holders)
    errors = [problem for problem in verified.problems if problem.severity == "error"]
    if errors:
        first, count = errors[0], len(errors)
        named = f", of {first.file}" if first.file and first.file not in first.detail else ""
        raise UserError(
            f"the data set has {count} error{'' if count == 1 else 's'}, and {COMMAND} all that is wrong "
            f"(data.verify=false trains without asking); the first{named}: {first.kind}: {first.detail}"
        )
    for split in SPLITS:
        sizes = [(int(height), int(width)) for height, width in verified.sizes[split]]
        data.remember(split, torch.from_numpy(verified.counts[split]), sizes)
    return [problem for problem in verified.problems if problem.severity == "warning"]


def _holder(data: DataModule, name: str, split: SegmentationDataset) -> CachedDataset:
    """Return what knows the files of a split."""
    if isinstance(split, CachedDataset):
        return split
    return CachedDataset(cast(FileDataset, split), name, data.cache_budget, data.cache_dir)


def _verify_or_recall(
    data: DataModule, splits: dict[str, SegmentationDataset], holders: Sequence[CachedDataset]
) -> Verified:
    keys = [holder.key() for holder in holders]
    if not holders or None in keys:
        return _verify(data, splits)
    facts = (keys, data.classes, data.ignore_index, data.channels, _code())
    fingerprint = hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()
    root = hashlib.blake2b(str(holders[0].source_folder()).encode(), digest_size=6).hexdigest()
    paths = [folder / f"verified-{root}.npz" for folder in holders[0].folders()]
    known = (_recall(path, fingerprint) for path in paths)
    found = next((one for one in known if one is not None), None)
    return found or _verify_alone(data, splits, paths, fingerprint)


def _verify_alone(
    data: DataModule, splits: dict[str, SegmentationDataset], paths: Sequence[Path], fingerprint: str
) -> Verified:
    """Verify and write what was found, while other processes wait for it."""
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(path.with_suffix(".lock"), mode=0o666):
                found = _recall(path, fingerprint)
                if found is None:
                    found = _verify(data, splits)
                    write_whole(path, _packed(found, fingerprint))
                return found
        except (OSError, NotImplementedError) as error:
            log.debug("what verification finds cannot be kept in %s: %s", path.parent, error)
    log.warning("what verification finds can be kept nowhere, so each training verifies the data set again")
    return _verify(data, splits)


def _verify(data: DataModule, splits: dict[str, SegmentationDataset]) -> Verified:
    total = sum(len(split.ids) for split in splits.values())
    log.info("verifying the %d samples of the data set once; data.verify=false leaves it out", total)
    for split in splits.values():
        if isinstance(split, CachedDataset):
            try:
                split.open()
            except UserError:  # of a sample that could not be decoded: reading one after another says which
                log.debug("the cache of %s could not be made", split.split)
    samples = read_splits(splits, data.channels, available_cores(), reading_bar)
    problems = find_problems(samples, splits, data.classes, data.ignore_index)
    scored = np.arange(len(data.classes)) != data.ignore_index
    nothing = np.zeros(256, np.int64)

    def counts(of: Sequence[SampleFacts]) -> np.ndarray:
        rows = [nothing if one.counts is None else one.counts for one in of]
        table: np.ndarray = np.array(rows, np.int64).reshape(-1, 256)[:, : len(scored)] * scored
        return table

    parts = {split: [one for one in samples if one.split == split] for split in SPLITS}
    sizes = {split: np.array([one.size for one in part], np.int64).reshape(-1, 2) for split, part in parts.items()}
    return Verified(problems, {split: counts(part) for split, part in parts.items()}, sizes)


def _code() -> str:
    """Hash the code that finds problems."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.blake2b(b"".join(path.read_bytes() for path in files), digest_size=16).hexdigest()


def _packed(found: Verified, fingerprint: str) -> bytes:
    arrays = {f"{kind}_{split}": getattr(found, kind)[split] for kind in ("counts", "sizes") for split in SPLITS}
    problems = json.dumps([asdict(problem) for problem in found.problems])
    stream = io.BytesIO()
    np.savez(stream, fingerprint=np.array(fingerprint), problems=np.array(problems), **arrays)
    return stream.getvalue()


def _recall(path: Path, fingerprint: str) -> Verified | None:
    """Return what was found, if it is of the same data set."""
    try:
        stored = read_arrays(path)
        if str(stored["fingerprint"]) != fingerprint:
            return None
        problems = [Problem(**one) for one in json.loads(str(stored["problems"]))]
        counts, sizes = ({split: stored[f"{kind}_{split}"] for split in SPLITS} for kind in ("counts", "sizes"))
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        return None
    return Verified(problems, counts, sizes)
