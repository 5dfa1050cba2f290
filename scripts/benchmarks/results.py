"""What the benchmarks of exact forms share: a timed pair, and the JSON file that holds the rows."""

import datetime
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from segnet.analysis.latency import describe_device, measure_latencies


class Timing:
    """Times of a plain and an exact workload, taken in turns.

    Where nothing was rewritten (``form`` is empty) only the plain one is timed.

    Attributes:
        row: medians and quartiles in milliseconds, and how many times faster the exact form is.
    """

    def __init__(
        self, plain: Callable[[], object], exact: Callable[[], object], device: str, repeats: int, form: str
    ) -> None:
        workloads = {"plain": plain, "exact": exact} if form else {"plain": plain}
        latencies = measure_latencies(workloads, torch.device(device), repeats, warmup=2)
        self.row: dict[str, Any] = {"form": form, "repeats": repeats}
        for name, latency in latencies.items():
            times = {"median": latency.median, "low": latency.low, "high": latency.high}
            self.row[f"{name}_ms"] = {key: round(value, 3) for key, value in times.items()}
        self.row["ratio"] = round(latencies["plain"].median / latencies["exact"].median, 3) if form else None


def update_rows(path: Path, title: str, device: str, rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> None:
    """Write the rows; those of the file that have other keys stay, if they were measured on the same device.

    ``path`` may be a folder too; the file is then called after the script and the device.
    """
    path = path / f"{Path(sys.argv[0]).stem}-{device}.json" if path.is_dir() else path
    described = describe_device(torch.device(device))
    before = json.loads(path.read_text()) if path.is_file() else {}
    kept = before.get("rows", []) if before.get("device") == described else []
    merged = {tuple(row[key] for key in keys): row for row in [*kept, *rows]}
    content = {
        "title": title,
        "device": described,
        "date": datetime.date.today().isoformat(),
        "command": shlex.join(["python", *sys.argv]),
        "rows": list(merged.values()),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written: {path}")
