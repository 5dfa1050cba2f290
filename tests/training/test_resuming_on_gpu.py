"""On a GPU in deterministic mode, a resumed training has the bits of one that was never stopped.

Skipped where there is no GPU; the same checks run on the CPU in `test_resuming.py`.
"""

import pytest
import torch

from tests.training.test_resuming import SIX_BATCHES, assert_same_run, resume_after_kill, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")

ON_GPU = ("trainer.accelerator=gpu", "+trainer.deterministic=true", "checkpoint.every_n_steps=2")


@pytest.fixture(autouse=True)
def _workspace_of_cublas(monkeypatch):
    """What torch asks for in deterministic mode."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("upsampler", ["nearest", "bed_of_nails", "max_unpool", "transposed_conv"])
def test_a_resumed_run_has_the_same_bits(tiny_config, tmp_path, upsampler, precision):
    chosen = (*ON_GPU, f"upsampler={upsampler}", f"trainer.precision={precision}")
    train(tiny_config(*SIX_BATCHES, *chosen), tmp_path / "whole")
    resume_after_kill(tiny_config(*SIX_BATCHES, *chosen), tmp_path / "resumed", 1, 2)
    assert_same_run(tmp_path / "whole", tmp_path / "resumed")
