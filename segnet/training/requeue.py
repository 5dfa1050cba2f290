"""Slurm's requeue: a job whose time is nearly over gives its place back, and continues when it is started again."""

import logging
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from segnet.run_ownership import holds_run
from segnet.training.processes import started_by_srun

log = logging.getLogger(__name__)

SIGNAL = getattr(signal, "SIGUSR1", None)
"""What ``#SBATCH --signal=SIGUSR1@90`` sends."""


def requeue_signals(environment: Mapping[str, str] = os.environ) -> tuple[int, ...]:
    """Return the signals that ask for a requeue: one in a job of Slurm's, none elsewhere."""
    return (SIGNAL,) if SIGNAL is not None and started_by_srun(environment) else ()


def requeue(environment: Mapping[str, str] = os.environ) -> None:
    """Ask Slurm to start this job again, with what it was started with; called by the first process.

    Lightning's own way saves within a step, and under a name that only Lightning looks for.
    """
    job = environment.get("SLURM_JOB_ID", "")
    if "SLURM_ARRAY_JOB_ID" in environment:
        job = f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True)
        log.info("Slurm starts job %s again, which then resumes the run", job)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        log.warning("Slurm did not take job %s back (scontrol requeue: %s)", job, str(said).strip())


def is_started_again(run_dir: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether Slurm has started this job before, and a run folder holds what the job has trained until then."""
    return int(environment.get("SLURM_RESTART_COUNT", 0)) > 0 and started_by_srun(environment) and holds_run(run_dir)
