"""Two processes on the CPU, started by Lightning or by torchrun as a user would have them started."""

import csv
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

ARGUMENTS = [
    "data=shapes",
    "data.size=[16,24]",
    "data.images={train:9,val:7,test:5}",
    "data.batch_size=4",
    "data.eval_batch_size=2",
    "data.num_workers=0",
    "encoder.widths=[4,8]",
    "encoder.depths=[1,1]",
    "trainer.max_epochs=2",
    "logger=none",
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "trainer.devices=2",
    "trainer.precision=32-true",  # of the scores at the end on every machine, so that each validation is theirs
]


# The console script, since starting further processes of it is the harder case.
BY_LIGHTNING = [str(Path(sys.executable).with_name("segnet-train"))]
BY_TORCHRUN = [
    sys.executable,
    *["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "segnet.cli.train"],
]


def call(launcher: list[str], *arguments: object) -> subprocess.CompletedProcess:
    command = [*launcher, *map(str, arguments), *ARGUMENTS]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)


@pytest.mark.parametrize("launcher", [BY_LIGHTNING, BY_TORCHRUN], ids=["lightning", "torchrun"])
def test_two_processes_make_one_run_folder_and_count_each_sample_once(tmp_path, launcher):
    run_dir = tmp_path / "run"
    result = call(launcher, f"run_dir={run_dir}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("run folder:") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert metrics["status"] == "completed"
    rows = list(csv.DictReader((run_dir / "history.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2", "4"]
    # metrics.json is scored by one process, history.csv by both: 7 images shared by 2 processes count once each.
    best = max(rows, key=lambda row: float(row["val/miou"]))
    assert float(best["val/miou"]) == pytest.approx(metrics["val/miou"], abs=1e-6)
    assert float(best["val/boundary_f1"]) == pytest.approx(metrics["val/boundary_f1"], abs=1e-6)
    for name in ("background", "pole", "disc", "polygon"):
        assert float(best[f"val/iou/{name}"]) == pytest.approx(metrics[f"val/iou/{name}"], abs=1e-6)
    torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)


def test_two_machines_make_one_run_folder(tmp_path):
    """Two commands on this machine, each of which knows only where the first one is."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    launcher += ["--master-addr=127.0.0.1", f"--master-port={port}"]
    arguments = ["-m", "segnet.cli.train", *ARGUMENTS, "trainer.devices=1", "trainer.num_nodes=2"]
    arguments += [f"run_dir={tmp_path / 'run'}"]
    machines = [
        subprocess.Popen([*launcher, f"--node-rank={rank}", *arguments], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    printed = [machine.communicate(timeout=500)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0]
    assert [output.count("run folder:") for output in printed] == [1, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2", "4"]


def test_a_sweep_of_distributed_trainings_is_refused(tmp_path):
    result = call(BY_LIGHTNING, "-m", "seed=0,1", f"run_dir={tmp_path / 'sweep'}")
    assert result.returncode == 1
    assert "a sweep cannot share each run among 2 processes: leave out -m" in result.stderr


def test_two_processes_take_the_number_of_epochs_that_the_first_has_timed(tmp_path):
    arguments = [text for text in ARGUMENTS if not text.startswith("trainer.max_epochs")]
    command = [*BY_LIGHTNING, f"run_dir={tmp_path / 'run'}", *arguments, "budget_minutes=0.6"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert f"this makes {len(rows)} epochs" in result.stdout
