"""What the runs of an experiment came to, as plain tables."""

import csv
import io
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from segnet.ablation.runs import read_metrics
from segnet.run_folder import write_whole

EXPERIMENT, COSTS, RESULTS = "experiment.json", "costs.json", "results.csv"


def collect(experiment_dir: Path) -> list[dict[str, Any]]:
    """Return a row for each completed run: arm, kind, seed, folder and what its ``metrics.json`` says."""
    record = json.loads((experiment_dir / EXPERIMENT).read_text())
    return [
        {key: run[key] for key in ("arm", "kind", "seed", "folder")} | read_metrics(experiment_dir / run["folder"])
        for run in record["runs"]
        if run["status"] == "completed"
    ]


def write_report(experiment_dir: Path) -> None:
    """Write ``results.csv``, a row a run, and print the mean and spread of each arm."""
    rows = collect(experiment_dir)
    if not rows:
        return
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(experiment_dir / RESULTS, text.getvalue())
    _print_table(experiment_dir, rows)


def _print_table(experiment_dir: Path, rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    record = json.loads((experiment_dir / EXPERIMENT).read_text())
    score = record["monitor"].replace("val/", "test/")
    costs = json.loads((experiment_dir / COSTS).read_text())
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        values[row["arm"], row["kind"]].append(row[score])
    table = Table(title=f"{record['name']}: {score}, mean and standard deviation over seeds; cost of one image")
    for name in ("arm", score, "seeds", "params", "MACs", "plain", "kept", "indices", "inference", "training"):
        table.add_column(name, justify="left" if name == "arm" else "right", no_wrap=True)
    for (arm, kind), scores in values.items():
        cost = costs[kind]["arms"][arm]
        spread = f" ± {statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
        table.add_row(
            arm if kind == "as_is" else f"{arm} ({record['match']} matched)",
            f"{statistics.fmean(scores):.4f}{spread}",
            str(len(scores)),
            f"{cost['params']:,}",
            f"{cost['macs'] / 1e6:,.1f} M",
            f"{cost['plain_macs'] / 1e6:,.1f} M",
            f"{(cost['activation_bytes'] + cost['index_bytes']) / 2**20:,.2f} MiB",
            f"{cost['index_bytes'] / 2**20:,.2f} MiB",
            *(f"{cost['latency_ms'][task]['median']:.2f} ms" for task in ("inference", "training step")),
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
