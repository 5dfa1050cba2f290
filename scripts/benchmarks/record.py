"""What the benchmarks share: their arguments, the device's description, and the JSON file that page.py reads.

A benchmark writes ``DIR/NAME-DEVICE.json``::

    {"title": "...", "about": "...", "device": {...}, "date": "2026-01-31", "command": "...", "rows": [{...}, ...]}

``about`` is Markdown. A row is a column a key; a value is text, a number, None (not measured), or a spread as
:func:`spread` gives it. Rows that have a key ``table`` are shown in one table for each of its values.
"""

import argparse
import datetime
import importlib.metadata
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEVICES = ("cpu", "cuda")
ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "performance"
AND_THEN = "; then "


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows ``--device`` and ``--out``, the folder of the JSON files."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--device", choices=DEVICES, default="cpu")
    result.add_argument("--out", type=Path, default=PAGES, help="folder of the JSON files (default: %(default)s)")
    return result


def check_device(result: argparse.ArgumentParser, device: str) -> None:
    """End with a clear sentence where the device is not there."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        result.error("this machine has no CUDA device: leave --device out, or run it on one that has")


def record_path(out: Path, name: str, device: str) -> Path:
    """Return the file of a benchmark's record."""
    return out / f"{name}-{device}.json"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles of repeated measurements."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return {"median": statistics.median(values), "low": low, "high": high, "repeats": len(values)}


def describe(device: str, packages: Sequence[str] = ()) -> dict[str, str | int]:
    """Say on what and with what was measured; ``packages`` are named with their releases, besides torch."""
    import torch

    from segnet.analysis.latency import describe_device
    from segnet.devices import available_cores, processor_name

    facts = describe_device(torch.device(device))
    facts["device_name"] = f"{processor_name()}, {facts['device_name']}" if device == "cpu" else facts["device_name"]
    facts["cores"] = available_cores()
    return facts | {package: importlib.metadata.version(package) for package in packages}


def write_record(
    out: Path,
    name: str,
    device: dict[str, str | int],
    title: str,
    about: str,
    rows: Sequence[dict[str, Any]],
    earlier: str | None = None,
) -> Path:
    """Write a benchmark's record whole, and return its path.

    Args:
        out: folder of the JSON files.
        name: of the benchmark, its script's name.
        device: as :func:`describe` gives it.
        title: heading on the page.
        about: what was measured and how, Markdown.
        rows: see the module.
        earlier: the commands that measured those of the rows that this one did not.
    """
    from segnet.run_folder import write_whole

    words = ["python", "-m", f"scripts.benchmarks.{Path(sys.argv[0]).stem}", *_shown_arguments(sys.argv[1:])]
    command = " ".join(words)
    if earlier is not None:
        command = AND_THEN.join(dict.fromkeys([*earlier.split(AND_THEN), command]))
    record = {
        "title": title,
        "about": about,
        "device": device,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": command,
        "rows": [_rounded(row) for row in rows],
    }
    path = record_path(out, name, str(device["device"]))
    write_whole(path, json.dumps(record, indent=1) + "\n")
    return path


def _shown_arguments(arguments: Sequence[str]) -> list[str]:
    """Leave out where the file went, which is somebody's own path."""
    shown, skip = [], False
    for argument in arguments:
        if not skip and argument != "--out" and not argument.startswith("--out="):
            shown.append(argument)
        skip = argument == "--out"
    return shown


def _rounded(value: Any) -> Any:
    """Round floats to 4 digits: more is noise, and makes a record unreadable."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
