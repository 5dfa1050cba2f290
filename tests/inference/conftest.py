import pytest

from segnet.training.run import train


@pytest.fixture(scope="package")
def segmentation_run(tiny_config, tmp_path_factory):
    """A run folder of segmentation."""
    run_dir = tmp_path_factory.mktemp("segmentation") / "run"
    train(tiny_config("trainer.max_epochs=1"), run_dir)
    return run_dir


@pytest.fixture(scope="package")
def enlarging_run(tiny_config, tmp_path_factory):
    """A run folder of super-resolution."""
    run_dir = tmp_path_factory.mktemp("enlarging") / "run"
    train(tiny_config("trainer.max_epochs=1", "task=super_resolution"), run_dir)
    return run_dir
