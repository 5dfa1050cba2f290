"""On the command line a stranger's run may name other classes only if it is told so."""

import contextlib
import sys
from importlib import import_module

import pytest
import yaml
from PIL import Image

from segnet.config import compose, to_run_yaml
from tests.conftest import TINY


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run without checkpoints whose config names a class of its maker's."""
    monkeypatch.setattr("segnet.trusted_classes._trusted", set())
    folder = tmp_path / "run"
    folder.mkdir()
    values = yaml.safe_load(to_run_yaml(compose(TINY)))
    (folder / "config.yaml").write_text(yaml.safe_dump({**values, "mine": {"_target_": "os.system", "command": "x"}}))
    Image.new("RGB", (4, 3)).save(folder.parent / "photo.png")
    return folder


@pytest.mark.parametrize(
    ("command", "arguments", "accepted"),
    [
        ("train", ["resume={run}"], "run folder: {run}"),  # it had not begun, and does
        ("evaluate", ["run={run}"], "has no checkpoint"),
        ("predict", ["run={run}", "input={run}/../photo.png", "output={run}/../out"], "has no checkpoint"),
        ("export", ["run={run}", "format=torch"], "has no checkpoint"),
        ("export", ["run={run}", "format=hub"], "has no checkpoint"),
    ],
)
def test_a_run_may_name_other_classes_if_it_is_told_so(run, monkeypatch, capsys, command, arguments, accepted):
    def said(*more):
        given = [argument.format(run=run) for argument in arguments]
        monkeypatch.setattr(sys, "argv", [f"segnet-{command}", *given, *more])
        with contextlib.suppress(SystemExit):
            import_module(f"segnet.cli.{command}").main()
        return "".join(capsys.readouterr())

    assert "names os.system, which is no part of segnet and could do anything" in said()
    assert accepted.format(run=run) in said("allow_code=true")
