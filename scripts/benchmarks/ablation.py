"""How the time of an experiment grows with its runs, and what it spends beside them.

    python -m scripts.benchmarks.ablation               the plan `quick` with two upsamplers, about 8 minutes on 2 cores
    python -m scripts.benchmarks.ablation --seeds 1     two runs only; other rows stay

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

from omegaconf import OmegaConf

from scripts.benchmarks.growth import exponent
from scripts.benchmarks.record import ROOT, check_device, parser
from scripts.benchmarks.results import Record

SEEDS = (1, 2, 4)
LAUNCHERS = {"in turn, all cores": [], "joblib, a core each": ["hydra/launcher=joblib"]}
TITLE = "Experiments"
ABOUT = """\
`segnet-ablate ablation=quick` with two of its upsamplers and a growing number of seeds: seconds of the whole command,
from its start to its end, report included; of the runs alone, added up over the processes that work side by side; and
of their training steps alone. **Beside the runs** is the rest of the command: imports, the proof of fairness, costs,
report. It does not depend on the number of runs but for what is proved for each seed, so that its share falls as runs
become more or longer; those of this plan are short. The last row is the same two trainings, each by a
`segnet-train` of its own, which imports everything again. The **exponent** is the slope of the line through the
logarithms of time and number of runs: 1 is growth in proportion.
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


def train_one_by_one(device: str, folder: Path) -> float:
    """Train the two arms with one seed by a command each, and return the seconds of both."""
    plan = OmegaConf.load(ROOT / "configs" / "ablation" / "quick.yaml")
    shared = [*plan.fixed, f"epochs={plan.epochs}", f"trainer={'gpu' if device == 'cuda' else 'cpu'}"]
    started = time.perf_counter()
    for arm in ("bilinear", "nearest"):
        call = [sys.executable, "-m", "segnet.cli.train", *shared, f"upsampler={arm}", f"run_dir={folder / arm}"]
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    arguments = arguments_parser.parse_args()
    check_device(arguments_parser, arguments.device)
    record = Record(arguments.out, "ablation", arguments.device, TITLE, ABOUT, ("execution", "runs"))
    with tempfile.TemporaryDirectory() as folder:
        for name, launcher in LAUNCHERS.items():
            walls = []
            for seeds in arguments.seeds:
                target = Path(folder) / f"{len(launcher)}-{seeds}"
                experiment = run_case(launcher, seeds, target, arguments.device)
                walls.append(experiment["command_seconds"])
                record.add({"execution": name, "runs": 2 * seeds, **row_of(experiment)})
            if len(walls) > 1:
                slope = exponent([2 * seeds for seeds in arguments.seeds], walls)
                record.add({"execution": name, "runs": "exponent", "command, s": slope})
        seconds = train_one_by_one(arguments.device, Path(folder))
        record.add({"execution": "segnet-train for each", "runs": 2, "command, s": seconds})


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
