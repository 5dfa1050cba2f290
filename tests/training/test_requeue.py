"""A job of Slurm's whose time is nearly over is started again, and continues."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from segnet.training.callbacks import History
from segnet.training.requeue import is_started_again, requeue, requeue_signals
from segnet.training.run import train

JOB = {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_NAME": "train"}
JOB |= {"SLURM_JOB_ID": "17", "SLURM_NNODES": "1"}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A job, with a program ``scontrol`` that writes down what it is asked for; return the file."""
    asked, programs = tmp_path / "asked", tmp_path / "bin"
    programs.mkdir()
    program = programs / "scontrol"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    program.chmod(0o755)
    for name, value in (JOB | {"PATH": f"{programs}:{os.environ['PATH']}"}).items():
        monkeypatch.setenv(name, value)
    return asked


def test_the_signal_ends_the_step_and_requeues_the_job(tiny_config, tmp_path, monkeypatch, slurm):
    ended = History.on_train_batch_end

    def then_sent(self, trainer, *arguments):
        ended(self, trainer, *arguments)
        if trainer.global_step == 3:
            os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.getsignal(signal.SIGUSR1)
    monkeypatch.setattr(History, "on_train_batch_end", then_sent)
    with pytest.raises(SystemExit) as stop:
        train(tiny_config("data.batch_size=2", "trainer.max_epochs=1"), tmp_path / "run")
    assert stop.value.code == 138
    assert slurm.read_text() == "requeue 17\n"
    assert torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 3
    assert not list((tmp_path / "run").glob("*.ckpt"))
    assert signal.getsignal(signal.SIGUSR1) == before
    assert not is_started_again(tmp_path / "run")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert is_started_again(tmp_path / "run")
    assert not is_started_again(tmp_path / "another")


def test_a_task_of_an_array_is_requeued_by_its_own_number(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "20")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    requeue()
    assert slurm.read_text() == "requeue 20_3\n"


def test_where_slurm_refuses_it_says_so(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    requeue({"SLURM_JOB_ID": "17"})
    assert "Slurm did not take job 17 back (scontrol requeue: " in caplog.text


def test_without_slurm_the_signal_keeps_its_meaning():
    assert requeue_signals({}) == ()
    assert requeue_signals(JOB | {"SLURM_JOB_NAME": "bash"}) == ()
    assert requeue_signals(JOB) == (signal.SIGUSR1,)


@pytest.mark.slow
def test_the_command_of_a_job_that_is_started_again_resumes(tmp_path, slurm):
    command = [sys.executable, "-m", "segnet.cli.train", "data=shapes", "data.size=[16,24]", "logger=none"]
    command += [
        "trainer=cpu",
        "encoder.widths=[4,8]",
        "encoder.depths=[1,1]",
        f"run_dir={tmp_path / 'run'}",
        "epochs=30",
    ]
    command += ["data.images={train:16,val:3,test:4}", "data.num_workers=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch  1/"):
                process.send_signal(signal.SIGUSR1)
                break
        process.stdout.read()
    assert process.returncode == 138
    assert slurm.read_text() == "requeue 17\n"
    again = subprocess.run(
        command, env={**os.environ, "SLURM_RESTART_COUNT": "1"}, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "epoch  1/" not in again.stdout
    assert "epoch 30/30" in again.stdout
