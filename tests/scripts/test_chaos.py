"""Kills at random moments, in short; ``python -m scripts.chaos`` tries more."""

import shutil
import signal
from pathlib import Path

import pytest
import torch

from scripts.chaos import Setting, Tally, make_table, run_setting
from scripts.comparison import differences
from scripts.forked import finish
from segnet.training.run import train

OTHER = Path("/dev/shm")


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "processes"), [(0, 1), (2, 1), (0, 2)])
def test_runs_that_are_killed_end_with_the_same_bits(tmp_path, workers, processes):
    whole = tmp_path / "whole"
    assert not any(finish(Setting(0, processes, tmp_path).begin(whole)))
    root = OTHER if workers and OTHER.is_dir() else tmp_path
    tally = run_setting(Setting(workers, processes, root), whole, kills=3, seed="a test")
    assert sum(tally.killed.values()) == 3
    assert tally.problems == []


@pytest.fixture(scope="module")
def run(tiny_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chaos") / "run"
    train(tiny_config("trainer.max_epochs=1"), folder)
    return folder


def test_one_changed_bit_is_a_difference(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert differences(run, copy) == []
    path = copy / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    bias = next(values for values in checkpoint["state_dict"].values() if values.dim() == 1)
    bias.view(torch.int32)[0] ^= 1
    torch.save(checkpoint, path)
    (copy / "history.csv").write_text((copy / "history.csv").read_text().replace(".", ".1"))
    (copy / "strange").touch()
    assert differences(run, copy) == ["last.ckpt: state_dict", "history.csv", "strange was left"]


def test_the_table_adds_up():
    roots = {Path("a"): "disk", Path("b"): "another"}
    tallies = {
        Setting(0, 1, Path("a")): Tally({signal.SIGKILL: 3, signal.SIGTERM: 2}, runs=2),
        Setting(2, 1, Path("b")): Tally({signal.SIGKILL: 1, signal.SIGTERM: 4}, runs=3, problems=["one"]),
    }
    assert make_table(tallies, roots).splitlines()[2:] == [
        "| 0 | 1 | disk | 2 | 3 | 2 | 0 |",
        "| 2 | 1 | another | 3 | 1 | 4 | 1 |",
        "| **all** | | | 5 | 4 | 6 | 1 |",
    ]
