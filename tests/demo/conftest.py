import asyncio
import gc

import pytest

from segnet.demo.comparison import load_models
from segnet.training.run import train


@pytest.fixture(scope="module", autouse=True)
def drop_event_loops():
    """Drop what Gradio's server leaves here, where its warnings are expected, and not in a test of something else.

    Gradio sets event loops of its own for the thread, and closes none of them.
    """
    yield
    asyncio.set_event_loop(None)
    gc.collect()


@pytest.fixture(scope="package")
def tiny_run(tiny_config, tmp_path_factory):
    """A run folder of segmentation."""
    run_dir = tmp_path_factory.mktemp("demo") / "nearest"
    train(tiny_config("trainer.max_epochs=1"), run_dir)
    return run_dir


@pytest.fixture(scope="package")
def models(tiny_run):
    """A trained network of drawn scenes beside the one of CamVid that comes with the package."""
    return load_models([str(tiny_run), "pretrained/camvid"], device="cpu", precision="32-true")


@pytest.fixture(scope="package")
def twice():
    """One network under two names, which needs no training."""
    (model,) = load_models(["pretrained/camvid"], device="cpu", precision="32-true").values()
    return {"nearest": model, "camvid": model}
