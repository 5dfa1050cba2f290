"""Verifying a finished experiment: do its results still follow from the counts that the runs stored?

``results.json`` and the scores of each run are computed again from the counts; every other file must be what
``results.json`` renders to.
"""

import json
import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

from segnet.ablation.design.files import RESULTS, SPLIT
from segnet.ablation.report.writing import render
from segnet.ablation.results.bundle import changed_files
from segnet.ablation.results.collection import collect, run_scores
from segnet.ablation.results.experiment_folder import ExperimentFolder, compared_scores, read_experiment
from segnet.ablation.results.inspection import Inspection, read_inspection
from segnet.ablation.results.records import Results
from segnet.errors import UserError
from segnet.metrics.image_scores import read_scores
from segnet.run_folder import METRICS, read_json, read_metrics

TOLERANCE = 1e-6
"""In points, or relative where a number is large: more than another machine's rounding changes."""
ENCODED = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
"""Pictures and the chart library inside the page: their bytes depend on the versions of other libraries."""


@dataclass(frozen=True)
class Drift:
    """A value that is not what it should be: the file, its name, as stored and as computed or rendered again."""

    file: str
    name: str
    stored: Any
    recomputed: Any

    def __str__(self) -> str:
        return f"{self.file}: {self.name} is {_show(self.stored)}, recomputed {_show(self.recomputed)}"


@dataclass(frozen=True)
class Verification:
    """The number of values that were computed again, the files that were rendered again, and all that drifted."""

    checked: int
    rendered: list[str]
    drifts: list[Drift]


def verify(experiment_dir: str | Path) -> Verification:
    """Compute the results of an experiment again from the per-image counts, and render its files again.

    Raises:
        UserError: the folder is not an experiment, has no results yet, or the scores of a run cannot be read.
    """
    folder = read_experiment(experiment_dir)
    stored = read_json(folder.root / RESULTS)
    if not stored:
        raise UserError(f"{folder.root.absolute()} has no {RESULTS}: write it by segnet-ablate report={folder.root}")
    recomputed = json.loads(json.dumps(collect(folder, stored.get("resamples", 0) or 1)))
    pairs = [*_pair_values(stored, recomputed), *_pair_metrics(folder)]
    drifts = [
        Drift(name, "the file", "as it was packed", "other bytes, or none") for name in changed_files(folder.root)
    ]
    drifts += [pair for pair in pairs if not _same(pair.stored, pair.recomputed)]
    inspection = read_inspection(folder.root) or Inspection({"skipped": "it was not kept"})
    rendered = render(cast(Results, stored), folder, inspection)
    present = [name for name in rendered if (folder.root / name).is_file()]
    for name in present:
        drifts += _compare_text(name, (folder.root / name).read_text(), rendered[name])
    return Verification(len(pairs), present, drifts)


def _same(stored: Any, recomputed: Any) -> bool:
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (stored, recomputed)):
        return bool(abs(stored - recomputed) <= TOLERANCE * max(1.0, abs(stored), abs(recomputed)))
    return type(stored) is type(recomputed) and bool(stored == recomputed)


def _pair_values(stored: Any, recomputed: Any, name: str = "") -> Iterator[Drift]:
    """Pair all leaves of two nested structures."""
    if isinstance(stored, dict) and isinstance(recomputed, dict):
        for key in dict.fromkeys([*stored, *recomputed]):
            yield from _pair_values(stored.get(key), recomputed.get(key), f"{name}/{key}" if name else key)
    elif isinstance(stored, list) and isinstance(recomputed, list) and len(stored) == len(recomputed):
        for place, (old, new) in enumerate(zip(stored, recomputed, strict=True)):
            yield from _pair_values(old, new, f"{name}/{new.get('arm', place) if isinstance(new, dict) else place}")
    else:
        yield Drift(RESULTS, name, stored, recomputed)


def _pair_metrics(folder: ExperimentFolder) -> Iterator[Drift]:
    """Pair the test scores of each run with those of its counts."""
    for run in folder.completed_runs():
        metrics = read_metrics(run)
        for key, points in run_scores(read_scores(compared_scores(run))).items():
            name = f"{SPLIT}/{key}"
            if name in metrics:
                score = points / 100 if points == points else None
                yield Drift((run / METRICS).relative_to(folder.root).as_posix(), name, metrics[name], score)


def _compare_text(file: str, stored: str, rendered: str) -> Iterator[Drift]:
    """Name the first line that differs, around the first character that does."""
    texts = (ENCODED.sub("(encoded)", text).splitlines() for text in (stored, rendered))
    for number, (old, new) in enumerate(zip_longest(*texts, fillvalue=""), start=1):
        if old != new:
            pairs = enumerate(zip(old, new, strict=False))
            start = max(0, next((at for at, (a, b) in pairs if a != b), min(len(old), len(new))) - 40)
            yield Drift(file, f"line {number}", old[start : start + 80], new[start : start + 80])
            return


def _show(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return reprlib.repr(value) if isinstance(value, (list, dict)) else repr(value)
