"""Only the process of global rank 0 writes the run folder, whoever started the processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import InstantiationException

from segnet.errors import UserError
from segnet.training.processes import check_processes, is_first_process, processes_from_outside
from segnet.training.run import train

# What each launcher sets, for two nodes of two processes each.
TORCHRUN = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none"}
SRUN = {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}


def torchrun(rank: int, **further: str) -> dict[str, str]:
    ranks = {"RANK": rank, "LOCAL_RANK": rank % 2, "GROUP_RANK": rank // 2, "ROLE_RANK": rank}
    return TORCHRUN | {name: str(value) for name, value in ranks.items()} | further


def srun(rank: int, **further: str) -> dict[str, str]:
    ranks = {"SLURM_PROCID": rank, "SLURM_LOCALID": rank % 2, "SLURM_NODEID": rank // 2}
    return SRUN | {name: str(value) for name, value in ranks.items()} | further


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"NODE_RANK": "1"}, False),
        ({"NODE_RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"NODE_RANK": "0", "LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"GROUP_RANK": "1", "LOCAL_RANK": "0"}, False),
        (torchrun(0), True),
        (torchrun(1), False),
        (torchrun(2), False),
        # The rendezvous may give rank 0 to the machine that its cluster calls node 1.
        (torchrun(0, NODE_RANK="1"), True),
        (torchrun(2, NODE_RANK="0"), False),
        (torchrun(2, SLURM_PROCID="0", SLURM_NTASKS="2"), False),
        (srun(0), True),
        (srun(2), False),
        (srun(3), False),
        # As scripts do that serve several launchers.
        (srun(2, LOCAL_RANK="0"), False),
        # A shell that Slurm gave: Lightning starts the second process.
        (srun(0, SLURM_JOB_NAME="bash", SLURM_NTASKS="1", LOCAL_RANK="1"), False),
        ({"JSM_NAMESPACE_RANK": "2", "JSM_NAMESPACE_SIZE": "4"}, False),
    ],
)
def test_one_process_is_the_first(environment, first):
    assert is_first_process(environment) == first


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({}, 1),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, 1),
        (torchrun(3), 4),
        (srun(3), 4),
        (srun(0, SLURM_JOB_NAME="bash"), 1),
        ({"JSM_NAMESPACE_RANK": "2", "JSM_NAMESPACE_SIZE": "4"}, 4),
    ],
)
def test_processes_that_another_program_starts_are_counted(environment, number):
    assert processes_from_outside(environment) == number


@pytest.mark.parametrize("launcher", [torchrun, srun])
def test_the_trainer_counts_on_the_processes_that_were_started(launcher):
    check_processes(2, 2, launcher(1))
    check_processes(8, 1, {})  # Lightning starts them
    message = (
        r"4 processes were started for this training, and trainer.devices=2 times trainer.num_nodes=1 are 2: choose"
    )
    with pytest.raises(UserError, match=message):
        check_processes(2, 1, launcher(1))


@pytest.mark.parametrize("launcher", [torchrun, srun])
def test_processes_that_would_each_train_by_itself_are_refused(tiny_config, tmp_path, monkeypatch, launcher):
    for name, value in launcher(3).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"4 processes were started for this training, and trainer\.devices=1 times"):
        train(tiny_config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("launcher", [torchrun, srun])
@pytest.mark.parametrize("rank", range(4))
def test_only_rank_0_says_that_a_training_failed(tiny_config, tmp_path, monkeypatch, launcher, rank):
    for name, value in launcher(rank).items():
        monkeypatch.setenv(name, value)
    config = tiny_config("+callbacks.broken={_target_: torch.nn.Linear, in_features: -1, out_features: 1}")
    with pytest.raises(InstantiationException, match="negative dimension"):
        train(config, tmp_path / "run")
    written = tmp_path / "run" / "metrics.json"
    assert written.is_file() == (rank == 0)
    assert rank or json.loads(written.read_text())["status"] == "failed"


def test_processes_of_torchrun_must_be_told_their_folder(tmp_path):
    """Each would name one by its own clock."""
    environment = {**os.environ, **torchrun(1)}
    command = [sys.executable, "-m", "segnet.cli.train", "trainer=ddp"]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "segnet-train: error: 4 processes share this training, and each would name a run folder by its own clock: "
        "give them one, as in run_dir=runs/brain/distributed"
    )
    assert list(Path(tmp_path).iterdir()) == []
