"""How long a command takes to start, and what it imports for it.

    python -m scripts.benchmarks.startup --out docs/performance

Every case is a process of its own, started in turns with the others.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from scripts.benchmarks.record import check_device, describe, parser, spread, write_record

HEAVY = ("torch", "torch._dynamo", "torchvision", "torchmetrics", "pytorch_lightning", "matplotlib")
# What the process has imported goes to the file named by its first argument.
SPY = """
import atexit, json, runpy, sys
target, command = sys.argv[1:3]
sys.argv = ["segnet"] + sys.argv[3:]
atexit.register(lambda: open(target, "w").write(json.dumps([name for name in {heavy!r} if name in sys.modules])))
if command == "import torch":
    exec(command)
else:
    runpy.run_module(f"segnet.cli.{{command}}", run_name="__main__")
"""
TINY = ["data=shapes", "encoder.widths=[4,8]", "encoder.depths=[1,1]", "epochs=1", "data.batch_size=8"]

ABOUT = """\
Wall time of a whole process, from its start to its end, with what it had imported by then; the files were in the
system's cache. `segnet-train: first step` is `seconds_to_first_step` of `metrics.json`: from the call of the command to
the end of the first training step (generated scenes, a small network), of which most goes to importing Lightning with
torchmetrics and, for torch's own optimisers, `torch._dynamo`. `segnet-predict` predicts one small image, beside a
process that imports torch and ends."""


def run_case(command: str, arguments: Sequence[str], folder: Path) -> tuple[float, list[str]]:
    """Run a command, or ``import torch``, in a new process; return its seconds and its heavy imports."""
    target = folder / "imports.json"
    call = [sys.executable, "-c", SPY.format(heavy=HEAVY), str(target), command, *arguments]
    started = time.perf_counter()
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"COLUMNS": "120"})
    return time.perf_counter() - started, json.loads(target.read_text())


def measure(device: str, repeats: int, folder: Path) -> list[dict[str, Any]]:
    """Measure every command in turns; the trainings leave the run that the others work on."""
    accelerator = "gpu" if device == "cuda" else "cpu"
    image, run = folder / "image.png", f"run={folder / 'run0'}"
    Image.new("RGB", (64, 48)).save(image)
    predicted = [f"output={folder / 'predicted'}", f"device={device}"]
    cases = {
        "segnet-train --help": ("train", ["--help"]),
        "segnet-train --cfg job": ("train", ["--cfg", "job"]),
        "segnet-evaluate --help": ("evaluate", ["--help"]),
        "segnet-train, 1 epoch, whole": ("train", [*TINY, f"trainer={accelerator}"]),
        "import torch": ("import torch", []),
        "segnet-predict, one image, whole": ("predict", [run, f"input={image}", *predicted]),
        "segnet-evaluate, whole": ("evaluate", [run, f"device={device}"]),
        "segnet-profile, whole": ("profile", [*TINY, "repeats=1", f"device={device}", f"output={folder / 'profile'}"]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in [*cases, "segnet-train: first step"]}
    imports: dict[str, list[str]] = {}
    for turn in range(repeats):
        shutil.rmtree(folder / "predicted", ignore_errors=True)  # what is there is not predicted again
        for name in sorted(cases, key=lambda name: "1 epoch" not in name):
            command, arguments = cases[name]
            run_dir = folder / f"run{turn}"
            extra = [f"run_dir={run_dir}"] if "1 epoch" in name else []
            elapsed, imports[name] = run_case(command, [*arguments, *extra], folder)
            seconds[name].append(elapsed)
            if extra:
                metrics = json.loads((run_dir / "metrics.json").read_text())
                seconds["segnet-train: first step"].append(metrics["seconds_to_first_step"])
    return [
        {"command": name, "seconds": spread(values), "imports": ", ".join(imports.get(name, [])) or "none of them"}
        for name, values in seconds.items()
        if name in imports
    ] + [{"command": "segnet-train: first step", "seconds": spread(seconds["segnet-train: first step"]), "imports": ""}]


def main() -> None:
    """Measure and write the record."""
    arguments_parser = parser(__doc__)
    arguments_parser.add_argument("--repeats", type=int, default=3)
    arguments = arguments_parser.parse_args()
    check_device(arguments_parser, arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments.device, arguments.repeats, Path(folder))
    device = describe(arguments.device, ["pytorch-lightning", "torchmetrics", "hydra-core"])
    print(write_record(arguments.out, "startup", device, "Start-up", ABOUT, rows))


if __name__ == "__main__":
    main()
