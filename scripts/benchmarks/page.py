"""Write docs/performance.md from the records in docs/performance.

    python -m scripts.benchmarks.page

Every benchmark writes a record for each device, see record.py. What has no record is shown as not measured yet.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.benchmarks.record import DEVICES, PAGES, record_path

DEVICE_TITLES = {"cpu": "CPU", "cuda": "GPU (CUDA)"}


class Benchmark(NamedTuple):
    """One section of the page: its record's name, its module's, and its heading while there is no record."""

    name: str
    module: str
    title: str


BENCHMARKS = (
    Benchmark("against_smp", "against_smp", "Training against segmentation_models.pytorch"),
    Benchmark("predict_against_smp", "predict_against_smp", "Prediction against segmentation_models.pytorch"),
    Benchmark("operators", "operators", "Operators: plain form against exact form"),
    Benchmark("rules", "rules", "Where exact forms begin to pay"),
    Benchmark("networks", "networks", "Networks: plain form against exact form"),
    Benchmark("bound", "bound", "Where a step's time goes"),
    Benchmark("pooling", "pooling", "Max-pool and max-unpool with compact indices"),
    Benchmark("input", "input_pipeline", "Input pipeline"),
    Benchmark("packed", "packed", "Packed data sets"),
    Benchmark("growth", "growth", "How cost grows"),
    Benchmark("startup", "startup", "Start-up"),
    Benchmark("ablation", "ablation", "Experiments"),
)

INTRODUCTION = """\
# Performance

Written by `scripts/benchmarks/page.py`; do not edit. All of it is measured and written by one command,

    python -m scripts.benchmarks.run_all --device cpu --out docs/performance      (or --device cuda)

Every table comes from a script of its own in `scripts/benchmarks`, which runs alone too. What holds for all of them:

- What is compared runs **in turns** in one go, so that a machine that slows down meanwhile slows both.
- A figure is the **median** of its repeats, with the first and third quartile in brackets.
- A **ratio** is the time of the other form divided by ours (or our images per second divided by theirs): above 1, ours
  is faster.
- The function is the same on both sides, and tests or the script itself prove it; where it is not, the text says so.
- The figures hold for the device and the releases that stand above them, and for no others.

## What bounds it

- **An epoch twice as fast as the other side's** was the goal on a CPU. Each side as documented, it is met where the
  processor has bfloat16 instructions: precision, memory layout, lighter augmentation and the decoded cache all count.
  With equal precision, layout, loss and augmentation it is out of reach: both sides call the same convolutions, which
  are most of a step and run near the rate of a matrix product ("Where a step's time goes"). What the exact forms save
  is multiplications of the decoder, copies, work at full resolution, and torch's slow gradients of depthwise
  convolutions; the dense convolutions of the encoder, where most of a network's work is, have nothing to rewrite. In
  32-true, which a processor without such instructions takes, the same holds with a smaller gain.
- **Bed of nails + 3x3** saves three of four multiplications, so four times is what it could reach if nothing else took
  time. The last part goes to writing the four times larger result, which both forms do.
- **Validation** also scores boundaries (about a hundredth of a second an image at 480x360) and an epoch ends with two
  checkpoints, the best and the last: parts of our epoch that the other side does not have. They weigh little in an
  epoch of hundreds of images and much in one of twenty.
- **The first step of a training** waits for imports most of all: torch, `torch._dynamo`, which torch's own optimisers
  import at their first call, and Lightning with torchmetrics and what these import. None of it is ours to leave out;
  what does not train imports none of Lightning.
- **On a GPU** (an H100) small networks wait for launches, not for arithmetic, and torch's own form of nearest neighbour
  with a convolution is the faster one, as is a convolution of stacked maps. The tables below were measured with both
  rewritten; since then they run there as they are (`segnet/layers/rewrites/rules.py`). Bed of nails, and a 1x1 before
  an upsampler, stay. Our kernels for pooling keep an eighth of torch's memory there, and take three times as long.
"""


def read_records(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Read the records by benchmark and device; those that no section names come too."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        name, _, device = path.stem.rpartition("-")
        if device in DEVICES:
            found[name, device] = json.loads(path.read_text())
    return found


def render(records: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """Write the page."""
    named = [benchmark.name for benchmark in BENCHMARKS]
    others = [Benchmark(name, f"{name}.py", name) for name, _ in records if name not in named]
    sections = (
        render_section(benchmark, {device: records.get((benchmark.name, device)) for device in DEVICES})
        for benchmark in (*BENCHMARKS, *dict.fromkeys(others))
    )
    return "\n".join([INTRODUCTION, *sections])


def render_section(benchmark: Benchmark, records: Mapping[str, Mapping[str, Any] | None]) -> str:
    """Write one section: what was measured once, then each device's tables."""
    parts = [f"## {benchmark.title}\n"]
    abouts = {device: about(record) for device, record in records.items() if record is not None}
    shared = len(set(abouts.values())) == 1
    if shared:
        parts.append(f"{next(iter(abouts.values()))}\n")
    for device, record in records.items():
        parts.append(f"### {DEVICE_TITLES[device]}: {benchmark.title}\n")
        if record is None:
            parts.append(f"Not measured yet: `python -m scripts.benchmarks.{benchmark.module} --device {device}`.\n")
            continue
        if not shared:
            parts.append(f"{abouts[device]}\n")
        parts += [f"{render_device(record)}\n", *render_tables(record["rows"])]
    return "\n".join(parts)


def about(record: Mapping[str, Any]) -> str:
    """Say what a record holds: its text, or at least its title."""
    return record.get("about", "").strip() or f"{record['title']}."


def render_device(record: Mapping[str, Any]) -> str:
    """Say on what, with what, when and how."""
    facts = dict(record["device"])
    name = facts.pop("device_name", facts.get("device"))
    facts.pop("device", None)
    shown = ", ".join(f"{key} {value}" for key, value in facts.items())
    return f"{name}; {shown}; {record['date']}; `{record['command']}`."


def render_tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write one table for each value of the key ``table``, with the columns that its rows have."""
    parts = []
    for table in dict.fromkeys(row.get("table") for row in rows):
        members = [row for row in rows if row.get("table") == table]
        columns = [key for key in dict.fromkeys(key for row in members for key in row) if key != "table"]
        if table is not None:
            parts.append(f"**{table}**\n")
        lines = [f"| {' | '.join(map(show, columns))} |", f"|{' --- |' * len(columns)}"]
        lines += [f"| {' | '.join(show(row.get(column)) for column in columns)} |" for row in members]
        parts.append("\n".join(lines) + "\n")
    return parts


def show(value: Any) -> str:
    """Write one value; None is a gap."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        if not {"median", "low", "high"} <= set(value):
            return ", ".join(f"{key} {show(entry)}" for key, entry in value.items())
        return f"{show(value['median'])} ({show(value['low'])} to {show(value['high'])})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value).replace("|", "\\|")


def write_page(folder: Path, page: Path) -> None:
    """Render the records of ``folder`` to ``page``."""
    page.write_text(render(read_records(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=PAGES, help="folder of the JSON files (default: %(default)s)")
    parser.add_argument("--page", type=Path, default=PAGES.with_suffix(".md"), help="(default: %(default)s)")
    arguments = parser.parse_args()
    write_page(arguments.records, arguments.page)
    missing = [
        f"{benchmark.name} on {device}"
        for benchmark in BENCHMARKS
        for device in DEVICES
        if not record_path(arguments.records, benchmark.name, device).is_file()
    ]
    print(f"wrote {arguments.page}; not measured yet: {', '.join(missing) or 'nothing'}")


if __name__ == "__main__":
    main()
