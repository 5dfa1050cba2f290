"""What the system refuses ends in a sentence in every command, wherever it is found out."""

import errno
import os
import sys

import pytest

from segnet.cli.entry import run_command
from segnet.config import config_dir

COMMANDS = sorted(path.stem for path in config_dir().glob("*.yaml"))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_the_system_refuses_is_a_sentence(monkeypatch, capsys, tmp_path, command, number):
    def work(config):
        try:
            raise OSError(number, os.strerror(number), "some/place")
        except OSError as error:
            raise RuntimeError("a library's own") from error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"segnet-{command}"])
    with pytest.raises(SystemExit) as stop:
        run_command(command, work)
    assert stop.value.code == 1
    assert capsys.readouterr().err == (
        f"segnet-{command}: error: some/place cannot be read or written ({os.strerror(number)}): "
        "mend that, or name another\n"
    )


def test_other_errors_of_the_system_show_their_traceback(monkeypatch, tmp_path, capsys):
    def work(config):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "some/place")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["segnet-evaluate"])
    with pytest.raises(SystemExit):
        run_command("evaluate", work)
    assert "Input/output error" in capsys.readouterr().err
