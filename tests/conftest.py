import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segnet.config import compose
from tests.composed_once import compose_once

TINY = (
    "data=shapes",
    "data.size=[16,24]",
    "data.images={train:8,val:3,test:4}",
    "data.batch_size=4",
    "data.num_workers=0",
    "data.augmentation.scale=[0.7,1.4]",
    "encoder.widths=[4,8]",
    "encoder.depths=[1,1]",
    "optimizer.lr=0.02",
    "trainer=cpu",
    "trainer.precision=32-true",  # the same on every machine; validation is then the end's to the digit
    "logger=none",
)


def find_chromium() -> str | None:
    """Find the browser that tests of pages open: what SEGNET_CHROMIUM names, or one on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("SEGNET_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(autouse=True)
def forget_earlier_tests() -> None:
    """Give each test the same random numbers and an empty compiler, whatever ran before it in the same process.

    The compiler counts how often it compiled a function, over all networks, and gives up after eight.
    """
    torch.manual_seed(0)
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


@pytest.fixture(scope="session", autouse=True)
def compose_each_configuration_once():
    """Spare the suite a third of its time: it composes some thousand configurations of about thirty files each."""
    with compose_once():
        yield


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """Path of the browser; tests that are marked ``browser`` are skipped where there is none."""
    return find_chromium()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests that need CamVid or a browser where there is none; fail instead where the data must be there."""
    if find_chromium() is None:
        skip = pytest.mark.skip(reason="no chromium on PATH: install one, or name it in SEGNET_CHROMIUM")
        for item in items:
            if "browser" in item.keywords:
                item.add_marker(skip)
    root = Path(os.environ.get("SEGNET_DATA", "data")) / "camvid"
    if (root / "train.txt").is_file():
        return
    if os.environ.get("SEGNET_REQUIRE_DATA"):
        raise pytest.UsageError(f"SEGNET_REQUIRE_DATA is set, but there is no CamVid in {root.absolute()}")
    skip = pytest.mark.skip(reason=f"no CamVid data in {root.absolute()}: put them there, or set SEGNET_DATA")
    for item in items:
        if "camvid" in item.keywords:
            item.add_marker(skip)


def _write_camvid(root: Path, images: int = 3, size: tuple[int, int] = (6, 8)) -> Path:
    """A tiny data set in the tutorial's layout, its lists with somebody else's absolute paths."""
    random = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for folder, shape, top in ((split, (*size, 3), 256), (f"{split}annot", size, 12)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            for number in range(images):
                pixels = random.integers(0, top, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(root / folder / f"{number}.png")
        lines = [f"/SegNet/CamVid/{split}/{n}.png /SegNet/CamVid/{split}annot/{n}.png" for n in range(images)]
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def write_camvid() -> Callable[..., Path]:
    """Write a tiny data set in CamVid's layout into a folder, and return the folder."""
    return _write_camvid


@pytest.fixture(scope="session")
def tiny_config():
    """Compose a training that takes a second."""

    def tiny(*overrides: str):
        return compose([*TINY, "trainer.max_epochs=2", *overrides])

    return tiny
