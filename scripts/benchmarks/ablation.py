"""How the time of an experiment grows with its runs, and what it spends beside them.

    python scripts/benchmarks/ablation.py               the plan `quick` with two upsamplers, about 5 minutes on 2 cores

Each case is a whole command, as a user calls it.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from growth import exponent
from record import check_device, describe, parser, write_record

SEEDS = (1, 2, 4)
LAUNCHERS = {"in turn, all cores": [], "joblib, a core each": ["hydra/launcher=joblib"]}
TITLE = "Experiments"
ABOUT = """\
`segnet-ablate ablation=quick` with two of its upsamplers and a growing number of seeds: seconds of the whole command,
from its start to its end, report included; of the runs alone, added up over the processes that work side by side; and
of their training steps alone. **Beside the runs** is the rest of the command: imports, the proof of fairness, costs,
report. It does not depend on the number of runs but for what is proved for each seed, so that its share falls as runs
become more or longer; those of this plan are short. The **exponent** is the slope of the line through the logarithms of
time and number of runs: 1 is growth in proportion.
"""


def run_case(launcher: Sequence[str], seeds: int, folder: Path, device: str) -> Mapping[str, Any]:
    """Run one experiment, and return ``experiment.json`` with the seconds of the whole command."""
    overrides = ["ablation=quick", "factors={upsampler:[bilinear,nearest]}", f"seeds={seeds}", *launcher]
    if device == "cuda":
        overrides.append('also_fixed=["trainer=gpu"]')
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "segnet.cli.ablate", *overrides, f"ablation_dir={folder}"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    record = json.loads((folder / "experiment.json").read_text())
    return record | {"command_seconds": time.perf_counter() - started}


def main() -> None:
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    arguments = arguments_parser.parse_args()
    check_device(arguments_parser, arguments.device)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, launcher in LAUNCHERS.items():
            walls = []
            for seeds in arguments.seeds:
                target = Path(folder) / f"{len(launcher)}-{seeds}"
                record = run_case(launcher, seeds, target, arguments.device)
                walls.append(record["command_seconds"])
                rows.append({"runs worked off": name, "runs": 2 * seeds, **row_of(record)})
                print(rows[-1], flush=True)
            if len(walls) > 1:
                slope = exponent([2 * seeds for seeds in arguments.seeds], walls)
                rows.append({"runs worked off": name, "runs": "exponent", "command, s": slope})
    print(write_record(arguments.out, "ablation", describe(arguments.device), TITLE, ABOUT, rows))


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the times of one experiment."""
    workers = record["workers"] or 1
    in_runs = record["run_seconds"] / workers
    return {
        "command, s": record["command_seconds"],
        "runs, s": in_runs,
        "training steps, s": record["train_seconds"] / workers,
        "beside the runs, s": record["command_seconds"] - in_runs,
        "share": f"{1 - in_runs / record['command_seconds']:.1%}",
    }


if __name__ == "__main__":
    main()
