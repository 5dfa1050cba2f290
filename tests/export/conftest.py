import pytest

from segnet.export.run import export_run
from segnet.training.run import train


@pytest.fixture(scope="package")
def unpooling_run(tiny_config, tmp_path_factory):
    """A run folder of segmentation with max-unpool."""
    run_dir = tmp_path_factory.mktemp("unpooling") / "run"
    train(tiny_config("trainer.max_epochs=1", "upsampler=max_unpool"), run_dir)
    return run_dir


@pytest.fixture(scope="package")
def onnx_export(unpooling_run):
    """The ONNX file of that run."""
    return export_run(unpooling_run)
