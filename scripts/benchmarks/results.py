"""What the benchmarks of exact forms share: a pair timed in turns, and a record that grows row by row."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from scripts.benchmarks.record import describe, record_path, write_record
from segnet.analysis.latency import Latency, measure_latencies


def time_pair(
    plain: Callable[[], object], exact: Callable[[], object], device: str, repeats: int, form: str
) -> dict[str, Any]:
    """Time a plain and an exact workload in turns; only the plain one where nothing was rewritten (no ``form``).

    Returns:
        Cells of a row: form, milliseconds of both, and how many times faster the exact form is.
    """
    workloads = {"plain": plain, "exact": exact} if form else {"plain": plain}
    latencies = measure_latencies(workloads, torch.device(device), repeats, warmup=1)
    exact_ms = _cell(latencies["exact"]) if form else None
    ratio = latencies["plain"].median / latencies["exact"].median if form else None
    return {"form": form or "as it is", "plain, ms": _cell(latencies["plain"]), "exact, ms": exact_ms, "ratio": ratio}


def _cell(latency: Latency) -> dict[str, float]:
    return {"median": latency.median, "low": latency.low, "high": latency.high, "repeats": latency.repeats}


class Record:
    """A benchmark's file, written again with each row; rows with other keys stay if the same device measured them.

    Args:
        out: folder of the files.
        name: of the benchmark.
        device: "cpu" or "cuda".
        title: heading on the page.
        about: what was measured and how, Markdown.
        keys: columns that tell one row from another.
        packages: named with their releases, besides torch.
    """

    def __init__(
        self,
        out: Path,
        name: str,
        device: str,
        title: str,
        about: str,
        keys: Sequence[str],
        packages: Sequence[str] = (),
    ) -> None:
        self.out, self.name, self.title, self.about, self.keys = out, name, title, about, tuple(keys)
        self.device = describe(device, packages)
        path = record_path(out, name, device)
        before = json.loads(path.read_text()) if path.is_file() else {}
        before = before if before.get("device") == self.device else {}
        rows, self.earlier = before.get("rows", []), before.get("command")
        self.rows = {self._key(row): row for row in rows}

    def add(self, row: dict[str, Any]) -> None:
        """Add a row, or put it in the place of the one with the same keys, and write the file."""
        self.rows[self._key(row)] = row
        write_record(self.out, self.name, self.device, self.title, self.about, list(self.rows.values()), self.earlier)
        print(row, flush=True)

    def _key(self, row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row.get(key) for key in self.keys)
