"""Every Python block of the README and of the docs runs, each page from top to bottom."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segnet.config import compose
from segnet.export.run import export_run
from segnet.metrics import ImageScores
from segnet.training.run import train
from tests.conftest import TINY

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name != "notes.md" and "```python" in path.read_text()  # test_notes_page.py looks more closely at that one
)
RUN_DIR = "runs/camvid/2026-01-31_12-00-00"  # as the README names it
SHORTER = {
    "docs/ablations.md": {
        "seeds=3, epochs=5": "seeds=2, epochs=1",
        'fixed=["data=shapes"]': f"fixed={[option for option in TINY if 'optimizer' not in option]}",
    }
}
"""What is replaced in pages that train for minutes."""


def blocks(page: str) -> list[str]:
    """Return the Python blocks of a page, fenced by three backticks at the start of a line."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def camvid_folder(tmp_path_factory, write_camvid):
    """A folder for SEGNET_DATA with a tiny set in CamVid's layout."""
    folder = tmp_path_factory.mktemp("data")
    write_camvid(folder / "camvid", images=8, size=(16, 24))
    return folder


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory, camvid_folder):
    """A run of the kind that the README loads, trained for a second."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    other_data = ("data=", "data.size", "data.images")
    options = [option for option in TINY if not option.startswith(other_data)]
    data = ["data=camvid", f"data.root={camvid_folder / 'camvid'}", "data.augmentation.crop=[16,24]"]
    train(compose([*data, *options, "trainer.max_epochs=1"]), folder)
    return folder


@pytest.fixture
def given(request, page, tmp_path, monkeypatch, camvid_folder):
    """What stands around the blocks of a page: a working folder, and the names that its text speaks of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGNET_DATA", str(camvid_folder))
    if page == "README.md":
        Path(RUN_DIR).parent.mkdir(parents=True)
        Path(RUN_DIR).symlink_to(request.getfixturevalue("trained_run"))
        return {"images": torch.rand(1, 3, 16, 24)}
    if page == "docs/export.md":
        path = export_run(request.getfixturevalue("trained_run")).path
        Path(RUN_DIR, "export").mkdir(parents=True)
        Path(RUN_DIR, "export", "model.onnx").symlink_to(path)
        Image.new("RGB", (24, 16)).save("street.jpg")
    if page == "docs/statistics.md":
        for arm, right in (("nearest", 0.6), ("max_unpool", 0.8)):
            for seed in range(5):
                write_scores(Path("runs", f"{arm}_{seed}", "scores", "test.npz"), right, seed)
    return {}


def write_scores(path: Path, right: float, seed: int, images: int = 6, classes: int = 3) -> None:
    """Write the counts of a split as a training does; the share ``right`` of the pixels of each image is."""
    random = np.random.default_rng(seed)
    confusions = random.multinomial(100, [right, *[(1 - right) / (classes - 1)] * (classes - 1)], (images, classes))
    confusions = np.stack([np.roll(confusions[:, row], row, axis=-1) for row in range(classes)], axis=1)
    counts = np.stack([np.full((images, classes), 50)] * 4, axis=1)
    ImageScores(
        names=np.array([f"{number}.png" for number in range(images)]),
        groups=np.array([f"{number}.png" for number in range(images)]),
        classes=np.array(["sky", "road", "car"]),
        confusions=confusions,
        boundary_f1=counts,
        boundary_iou=counts[:, :3],
        trimap=confusions[:, None],
        trimap_widths=np.array([1]),
        small_objects=counts[:, :3],
    ).write(path)


def shortened(page: str, block: str) -> str:
    """Make the trainings of a page small enough for a test; all else stays as it stands there."""
    for long, short in SHORTER.get(page, {}).items():
        assert long in block, f"{page} has no {long} any more: change SHORTER too"
        block = block.replace(long, short)
    return block


@pytest.mark.parametrize("page", [pytest.param(p, marks=pytest.mark.slow if p in SHORTER else ()) for p in PAGES])
def test_every_block_runs(page, given):
    namespace = dict(given)
    for number, block in enumerate(blocks(page)):
        exec(compile(shortened(page, block), f"{page}, block {number}", "exec"), namespace)


def test_no_block_is_overlooked():
    assert len(PAGES) >= 5
    for page in PAGES:
        assert len(blocks(page)) == (ROOT / page).read_text().count("```python"), page
