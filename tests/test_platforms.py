"""The package imports where what only POSIX or Linux has is absent, as on Windows and macOS."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.architecture import all_imports

POSIX_ONLY = {"fcntl", "grp", "pty", "pwd", "resource", "termios"}
# Absent for our own code alone: what the libraries do on other systems is their own affair.
IMPORT_EVERYTHING = """
import builtins, importlib, os, pkgutil

if hasattr(os, "sched_getaffinity"):
    del os.sched_getaffinity
whole_import = builtins.__import__

def without_posix(name, globals=None, *arguments, **keywords):
    if name in {posix_only!r} and (globals or {{}}).get("__name__", "").startswith("segnet"):
        raise ModuleNotFoundError(f"No module named {{name!r}}")
    return whole_import(name, globals, *arguments, **keywords)

builtins.__import__ = without_posix
import segnet

names = [module.name for module in pkgutil.walk_packages(segnet.__path__, "segnet.")]
for name in names:
    importlib.import_module(name)
{further}
print("imported", len(names))
"""


def run(further: str = "") -> str:
    code = IMPORT_EVERYTHING.format(posix_only=POSIX_ONLY, further=further)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_every_module_imports_and_data_finds_its_workers():
    """The default number of loading processes is counted from the cores, which Linux alone knows for a process."""
    further = """
from segnet.build import data_from_config
from segnet.config import compose
assert data_from_config(compose(["data=shapes"])).num_workers >= 0
"""
    files = list((Path(__file__).parent.parent / "segnet").rglob("*.py"))
    # All but segnet/__init__.py itself.
    assert f"imported {len(files) - 1}" in run(further)


def test_no_module_imports_what_only_posix_has():
    """Imports inside functions too, which the other test does not reach."""
    found = [f"{path.name}:{line}: {module}" for path, line, module in all_imports() if module in POSIX_ONLY]
    assert found == []
