"""Looking after the fact: does every stored number still follow from the counts that the runs stored?"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from segnet.ablation.report.tables import boundary_table, first_table, latex, look_up, markdown, runs_csv
from segnet.ablation.results.collection import collect, run_scores
from segnet.ablation.results.experiment_folder import SCORES, ExperimentFolder, read_experiment, read_json, read_metrics
from segnet.errors import UserError
from segnet.metrics.image_scores import read_scores
from segnet.run_folder import METRICS

TOLERANCE = 1e-6
"""In points, or relative where a number is large: beyond what another machine's rounding does."""
RESULTS, CSV, MARKDOWN, LATEX, PAGE = "results.json", "results.csv", "results.md", "results.tex", "report.html"


@dataclass(frozen=True)
class Drift:
    """A number that does not follow from the counts: the file, what it is, as stored and as computed again."""

    file: str
    name: str
    stored: Any
    recomputed: Any

    def __str__(self) -> str:
        return f"{self.file}: {self.name} is {_show(self.stored)}, recomputed {_show(self.recomputed)}"


@dataclass(frozen=True)
class Verification:
    """How many numbers were looked at, and those that drifted."""

    checked: int
    drifts: list[Drift]


def verify(experiment_dir: str | Path) -> Verification:
    """Compute every table of an experiment again from the per-image counts, and compare with what is stored.

    Looked at are ``results.json``, ``results.csv``, ``results.md``, ``results.tex``, the numbers and the data in
    ``report.html``, and the test scores in the ``metrics.json`` of each run.

    Raises:
        UserError: the folder is no experiment, has no results yet, or the scores of a run cannot be read.
    """
    folder = read_experiment(experiment_dir)
    if not (folder.root / RESULTS).is_file():
        raise UserError(f"{folder.root.absolute()} has no {RESULTS}: write it by segnet-ablate report={folder.root}")
    stored = read_json(folder.root / RESULTS)
    recomputed = json.loads(json.dumps(collect(folder, stored.get("resamples", 0) or 1)))
    pairs = [
        *_compare(RESULTS, stored, recomputed),
        *_compare_metrics(folder),
        *_compare_csv(folder.root, runs_csv(recomputed)),
        *_compare_lines(folder.root, MARKDOWN, markdown(recomputed), "|"),
        *_compare_lines(folder.root, LATEX, latex(recomputed), "&"),
        *_compare_page(folder.root, recomputed),
    ]
    return Verification(len(pairs), [one for one in pairs if not _same(one.stored, one.recomputed)])


def _same(stored: Any, recomputed: Any) -> bool:
    numbers = [isinstance(one, (int, float)) and not isinstance(one, bool) for one in (stored, recomputed)]
    if all(numbers):
        return abs(stored - recomputed) <= TOLERANCE * max(1.0, abs(stored), abs(recomputed))
    return type(stored) is type(recomputed) and stored == recomputed


def _compare(file: str, stored: Any, recomputed: Any, name: str = "") -> Iterator[Drift]:
    """Pair all leaves of two nested structures."""
    if isinstance(stored, dict) and isinstance(recomputed, dict):
        for key in dict.fromkeys([*stored, *recomputed]):
            yield from _compare(file, stored.get(key), recomputed.get(key), f"{name}/{key}" if name else key)
    elif isinstance(stored, list) and isinstance(recomputed, list) and len(stored) == len(recomputed):
        for place, (one, other) in enumerate(zip(stored, recomputed, strict=True)):
            inner = other.get("arm", place) if isinstance(other, dict) else place
            yield from _compare(file, one, other, f"{name}/{inner}")
    else:
        yield Drift(file, name, stored, recomputed)


def _compare_metrics(folder: ExperimentFolder) -> Iterator[Drift]:
    seen = set()
    for kind in folder.kinds:
        for run in (run for seeds in folder.done(kind).values() for run in seeds.values()):
            if run in seen:
                continue
            seen.add(run)
            metrics = read_metrics(run)
            for key, value in run_scores(read_scores(run / SCORES)).items():
                name = f"{SCORES.stem}/{key}"
                if name in metrics:
                    value = None if value != value else value / 100
                    yield Drift(str((run / METRICS).relative_to(folder.root)), name, metrics[name], value)


def _compare_csv(root: Path, recomputed: str) -> Iterator[Drift]:
    if not (root / CSV).is_file():
        return
    with (root / CSV).open(newline="") as file:
        stored = list(csv.DictReader(file))
    rows = list(csv.DictReader(io.StringIO(recomputed)))
    if len(stored) != len(rows):
        yield Drift(CSV, "number of rows", len(stored), len(rows))
    for one, other in zip(stored, rows, strict=False):
        for column in other:
            yield Drift(
                CSV,
                f"{column} of {other['arm']}, seed {other['seed']} ({other['kind']})",
                _number(one.get(column)),
                _number(other[column]),
            )


def _compare_lines(root: Path, file: str, recomputed: str, separator: str) -> Iterator[Drift]:
    """Compare a text file cell by cell."""
    if not (root / file).is_file():
        return
    stored, expected = (text.splitlines() for text in ((root / file).read_text(), recomputed))
    if len(stored) != len(expected):
        yield Drift(file, "number of lines", len(stored), len(expected))
    for number, (one, other) in enumerate(zip(stored, expected, strict=False), start=1):
        cells = [[cell.strip() for cell in re.split(re.escape(separator), line)] for line in (one, other)]
        first = next(filter(None, cells[1]), "")
        if len(cells[0]) != len(cells[1]):
            yield Drift(file, f"line {number}", one, other)
        else:
            yield from (Drift(file, f"line {number} ({first})", a, b) for a, b in zip(*cells, strict=True))


class _Page(HTMLParser):
    """Collects the numbers of a page, ``<data value data-path>``, what stands beside them, and its embedded results."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[tuple[str, str, str]] = []
        self.details: list[tuple[str, str]] = []
        self.results = ""
        self._detail: list[str] | None = None
        self._open: list[str] | None = None
        self._in_results = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "data" and "data-path" in values:
            self._open = [values["data-path"] or "", values.get("value") or "", ""]
        if tag == "span" and "data-of" in values:
            self._detail = [values["data-of"] or "", ""]
        self._in_results = tag == "script" and values.get("id") == "results"

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open[2] += data
        elif self._detail is not None:
            self._detail[1] += data
        elif self._in_results:
            self.results += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "data" and self._open is not None:
            self.numbers.append(tuple(self._open))
            self._open = None
        if tag == "span" and self._detail is not None:
            self.details.append(tuple(self._detail))
            self._detail = None
        self._in_results = False


def _compare_page(root: Path, recomputed: dict[str, Any]) -> Iterator[Drift]:
    if not (root / PAGE).is_file():
        return
    page = _Page()
    page.feed((root / PAGE).read_text())
    page.close()
    for path, value, text in page.numbers:
        name = path.replace("\t", "/")
        try:
            expected = look_up(recomputed, path)
        except KeyError:
            expected = None
        yield Drift(PAGE, name, _number(value), expected)
        shown = _shown_number(text)
        if shown is not None and expected is not None:
            decimals, number = shown
            fits = abs(number - expected) <= 0.5 * 10**-decimals + 1e-9
            yield Drift(PAGE, f"{name}, as shown", number if not fits else expected, expected)
    shown_tables = [make(recomputed, kind) for kind in recomputed["variants"] for make in (first_table, boundary_table)]
    details = {cell.path: cell.detail for table in shown_tables for row in table.rows for cell in row if cell.detail}
    for path, text in page.details:
        yield Drift(PAGE, f"{path.replace(chr(9), '/')}, beside it", text, details.get(path))
    try:
        embedded = json.loads(page.results) if page.results else {}
    except ValueError:
        embedded = {}
    yield from _compare(f"{PAGE}, data", embedded, recomputed)


def _shown_number(text: str) -> tuple[int, float] | None:
    """Read a plain number and its decimals; None where a unit has scaled it."""
    text = text.strip().replace("\N{MINUS SIGN}", "-").removeprefix("+")
    if not re.fullmatch(r"-?\d+(\.\d+)?", text):
        return None
    return len(text.partition(".")[2]), float(text)


def _number(text: str | None) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _show(value: Any) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else repr(value)
