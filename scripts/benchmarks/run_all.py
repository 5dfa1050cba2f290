"""Run every benchmark in turn and write docs/performance.md.

    python -m scripts.benchmarks.run_all --device cuda --out docs/performance

A benchmark whose record is in the folder already is left out, so that a run that was cut off continues where it was;
delete a record to measure it again. Each has a time limit; one that fails or takes too long is named at the end, and
the others run all the same.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from scripts.benchmarks.page import BENCHMARKS, Benchmark, write_page
from scripts.benchmarks.record import PAGES, parser, record_path

PACKAGE = "scripts.benchmarks"
# Seconds: of one benchmark, and of all together.
LIMITS = {"cpu": 1800.0, "cuda": 200.0}
TOTALS = {"cpu": 5400.0, "cuda": 580.0}


def run(benchmark: Benchmark, device: str, out: Path, limit: float) -> str:
    """Run one benchmark, and say in a few words what became of it."""
    if record_path(out, benchmark.name, device).is_file():
        return "is there already"
    if importlib.util.find_spec(f"{PACKAGE}.{benchmark.module}") is None:
        return "has no module"
    if limit <= 0:
        return "had no time left"
    started = time.perf_counter()
    # A session of its own, so that the processes that it starts end with it.
    process = subprocess.Popen(
        [sys.executable, "-m", f"{PACKAGE}.{benchmark.module}", "--device", device, "--out", str(out)],
        start_new_session=True,
    )
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        return f"was stopped after {limit:.0f} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return f"took {time.perf_counter() - started:.0f} s" if code == 0 else f"failed with exit code {code}"


def main() -> None:
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--limit", type=float, help="seconds a benchmark may take")
    arguments_parser.add_argument("--total", type=float, help="seconds all of them may take")
    arguments_parser.add_argument("--only", nargs="+", choices=[benchmark.name for benchmark in BENCHMARKS])
    arguments = arguments_parser.parse_args()
    limit, total = arguments.limit or LIMITS[arguments.device], arguments.total or TOTALS[arguments.device]
    arguments.out.mkdir(parents=True, exist_ok=True)
    started, outcomes = time.perf_counter(), {}
    for benchmark in BENCHMARKS:
        if arguments.only is None or benchmark.name in arguments.only:
            left = total - (time.perf_counter() - started)
            outcomes[benchmark.name] = run(benchmark, arguments.device, arguments.out, min(limit, left))
            print(f"{benchmark.name} {outcomes[benchmark.name]}", flush=True)
            write_page(arguments.out, page_of(arguments.out))
    if not all(outcome.startswith(("took", "is there")) for outcome in outcomes.values()):
        sys.exit(1)


def page_of(out: Path) -> Path:
    """Return where the page goes: docs/performance.md, or inside a folder that is somewhere else."""
    return PAGES.with_suffix(".md") if out.resolve() == PAGES else out / "performance.md"


if __name__ == "__main__":
    main()
