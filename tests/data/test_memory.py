"""What a process holds in memory does not grow with the data set; measured by the system, as VmHWM of a process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.packed_sets import pack_set

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell its highest memory"),
]

MB = 10**6
SLACK = 60 * MB
"""What two runs of one program differ by anyway: heaps of threads, and how long freed memory is kept."""
PEAK = """
import re
print("PEAK", int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
"""
READ = """
import sys
import numpy as np
from segnet.data import Packed
packed, count = Packed("train", sys.argv[1]), int(sys.argv[2])
for index in np.random.default_rng(0).permutation(len(packed.ids))[:count]:
    packed.load(int(index), None)
"""
TRAIN = """
import sys
from pathlib import Path
from segnet.config import compose
from segnet.training.run import train
train(compose(sys.argv[2:]), Path(sys.argv[1]))
"""


def peak(code: str, *arguments: object) -> tuple[int, str]:
    """Return the most bytes that a process held, and what it printed."""
    command = [sys.executable, "-W", "ignore", "-c", code + PEAK, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return int(done.stdout.rpartition("PEAK ")[2]), done.stdout + done.stderr


def write_photos(root: Path, images: dict[str, int], noise: bool, size=(1000, 800)) -> Path:
    """A set in CamVid's layout whose images take 3.2 MB decoded; noise takes as much as PNG."""
    random = np.random.default_rng(0)
    height, width = size
    for split, count in images.items():
        for folder in (split, f"{split}annot"):
            (root / folder).mkdir(parents=True)
        for number in range(count):
            shape = (height, width, 3) if noise else (10, 8, 3)
            pixels = Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).resize((width, height), 0)
            pixels.save(root / split / f"{number}.png", compress_level=1)
            label = Image.fromarray(random.integers(0, 11, (10, 8), dtype=np.uint8)).resize((width, height), 0)
            label.save(root / f"{split}annot" / f"{number}.png")
        (root / f"{split}.txt").write_text("".join(f"{split}/{n}.png {split}annot/{n}.png\n" for n in range(count)))
    return root


def test_reading_a_packed_set_holds_a_chunk_at_most(tmp_path):
    photos = write_photos(tmp_path / "photos", {"train": 130, "val": 1, "test": 1}, noise=True)
    packed = pack_set(tmp_path / "packed", "data=camvid", f"data.root={photos}", chunk_bytes=16 * MB)
    size = sum(path.stat().st_size for path in packed.glob("train/*.bin"))
    assert size > 300 * MB
    few, _ = peak(READ, packed, 3)
    all_of_it, _ = peak(READ, packed, 130)
    assert all_of_it < few + 16 * MB + SLACK


def test_a_set_beyond_the_budget_of_its_cache_is_trained_in_bounded_memory(tmp_path):
    """What is larger than the budget is decoded in each epoch, and held nowhere."""
    budget = 50 * MB
    settings = (
        *("data=camvid", f"data.cache_budget_gib={budget / 2**30}", "data.augmentation.crop=[64,64]"),
        *("data.batch_size=2", "data.num_workers=0", "data.scale=0.2", "trainer=cpu", "trainer.precision=32-true"),
        *("encoder.widths=[4,8]", "encoder.depths=[1,1]", "logger=none", "trainer.max_epochs=1"),
    )
    peaks = {}
    for name, images in (("small", 4), ("large", 94)):  # 12 and 300 MB decoded
        root = write_photos(tmp_path / name, {"train": images, "val": 2, "test": 2}, noise=False)
        peaks[name], output = peak(TRAIN, tmp_path / f"{name}_run", *settings, f"data.root={root}")
        cached = [path.name for path in root.glob(".segnet-cache/*.npy")]
        assert any("train" in path for path in cached) == (name == "small"), output
    assert peaks["large"] < peaks["small"] + budget + SLACK
