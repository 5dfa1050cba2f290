"""The Triton kernels against the plain form, in a process of their own: Triton reads at import how it is to run."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CHECK = Path(__file__).parent / "triton_check.py"

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed here")


def check(device: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "ignore", str(CHECK), device]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_the_kernels_interpreted_on_the_cpu_have_the_bits_of_the_plain_form():
    result = check("cpu", TRITON_INTERPRET="1")
    assert result.returncode == 0, result.stderr
    assert "24 cases agree" in result.stdout


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_the_kernels_on_the_gpu_have_the_bits_of_the_plain_form():
    result = check("cuda")
    assert result.returncode == 0, result.stderr
    assert "24 cases agree" in result.stdout
