"""Help and config printing must not wait for torch."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "pytorch_lightning", "matplotlib", "nilearn")
SPY = """
import runpy, sys
sys.argv = ["segnet"] + {arguments!r}
try:
    runpy.run_module("segnet.cli.{command}", run_name="__main__")
except SystemExit as stop:
    assert not stop.code, stop.code
print("HEAVY", sorted(set({heavy!r}) & set(sys.modules)))
"""


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "export", "ablate", "data", "demo"])
@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"]])
def test_no_heavy_import(command, arguments):
    code = SPY.format(arguments=arguments, command=command, heavy=HEAVY)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.slow
def test_evaluation_needs_no_lightning():
    modules = "segnet.inference.model, segnet.inference.scoring, segnet.tasks"
    code = f"import sys, {modules}; assert 'pytorch_lightning' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
