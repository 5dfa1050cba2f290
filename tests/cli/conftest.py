"""Calling commands in this process, and a run that they can work on."""

import shutil
import sys
from pathlib import Path

import pytest

from segnet.config import compose
from segnet.training.run import train as train_run
from tests.cli.calling import TINY


@pytest.fixture
def call(monkeypatch, capsys):
    """Call a command; return its exit code, standard output and standard error."""

    def called(command, *arguments: object):
        monkeypatch.setattr(sys, "argv", [f"segnet-{command.__name__.rsplit('.', 1)[-1]}", *map(str, arguments)])
        try:
            command.main()
            code = 0
        except SystemExit as stop:
            code = stop.code
            if isinstance(code, str):  # what the interpreter does with it
                print(code, file=sys.stderr)
                code = 1
        out, err = capsys.readouterr()
        return code, out, err

    return called


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train once for all tests that want a run."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    train_run(compose(TINY), folder)
    return folder


@pytest.fixture
def run_dir(trained, tmp_path):
    """A run of the test's own."""
    return Path(shutil.copytree(trained, tmp_path / "run"))
