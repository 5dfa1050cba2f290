import pytest

from segnet.training.run import train


@pytest.fixture(scope="package")
def run(tiny_config, tmp_path_factory):
    """A run folder, and the content of its ``metrics.json``."""
    run_dir = tmp_path_factory.mktemp("run")
    return run_dir, train(tiny_config(), run_dir)
