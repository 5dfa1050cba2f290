"""Which of a training's processes this one is, as the program that started it says."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from segnet.errors import UserError

RUN_DIR = "SEGNET_RUN_DIR"
"""Variable in which the first process tells those that Lightning starts which folder it owns."""
INTERACTIVE_JOBS = ("bash", "interactive")


def is_first_process(environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether this is the process of rank 0 among all nodes, which alone writes the run folder.

    It can be asked before Lightning's trainer exists, which knows it too. Launchers that start every process
    (torchrun, ``srun``, LSF's ``jsrun``) give each its global rank. Lightning starts the further processes of a node
    itself; they have a local rank, and the node has one that whoever started the first process has set.

    Args:
        environment: the variables of this process.
    """
    if "RANK" in environment:
        return int(environment["RANK"]) == 0
    if started_by_srun(environment):
        return int(environment["SLURM_PROCID"]) == 0
    if "JSM_NAMESPACE_RANK" in environment:
        return int(environment["JSM_NAMESPACE_RANK"]) == 0
    node = environment.get("NODE_RANK", environment.get("GROUP_RANK", 0))
    return int(node) == int(environment.get("LOCAL_RANK", 0)) == 0


@contextlib.contextmanager
def tell_run_dir(run_dir: Path) -> Iterator[None]:
    """Tell the processes that are started meanwhile which run folder is theirs."""
    os.environ[RUN_DIR] = str(run_dir.absolute())
    try:
        yield
    finally:
        del os.environ[RUN_DIR]


def told_run_dir(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder that the first process owns, in one that Lightning has started; None elsewhere."""
    return Path(environment[RUN_DIR]) if RUN_DIR in environment and not is_first_process(environment) else None


def processes_from_outside(environment: Mapping[str, str] = os.environ) -> int:
    """Count the processes of this training that another program starts; 1 where Lightning starts any further ones."""
    if "RANK" in environment:
        return int(environment.get("WORLD_SIZE", 1))
    if started_by_srun(environment):
        return int(environment["SLURM_NTASKS"])
    return int(environment.get("JSM_NAMESPACE_SIZE", 1))


def check_processes(devices: int, nodes: int, environment: Mapping[str, str] = os.environ) -> None:
    """Compare the processes that another program has started with those that the trainer counts on.

    Raises:
        UserError: they are not as many, and would wait for each other, or each train by itself.
    """
    started = processes_from_outside(environment)
    if started not in (1, devices * nodes):
        raise UserError(
            f"{started} processes were started for this training, and trainer.devices={devices} times "
            f"trainer.num_nodes={nodes} are {devices * nodes}: choose trainer=ddp, with trainer.devices as the "
            f"processes of each machine and trainer.num_nodes as the machines"
        )


def started_by_srun(environment: Mapping[str, str]) -> bool:
    """Tell ``srun segnet-train`` from a shell that Slurm gave, as Lightning does."""
    names = ("SLURM_NTASKS", "SLURM_PROCID")
    return all(name in environment for name in names) and environment.get("SLURM_JOB_NAME") not in INTERACTIVE_JOBS
