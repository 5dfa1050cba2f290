"""A large image does not take large memory, measured in a process of its own."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

# Not ru_maxrss, which a process inherits from the one that started it.
CODE = """
import re
from pathlib import Path
from segnet.cli import predict
predict.main()
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how much a process has held")
def test_8192_pixels_a_side_take_less_than_2_gb(segmentation_run, tmp_path):
    tile = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    Image.fromarray(np.tile(tile, (16, 16, 1))).save(tmp_path / "large.png", compress_level=1)
    arguments = [
        f"run={segmentation_run}",
        f"input={tmp_path / 'large.png'}",
        f"output={tmp_path / 'out'}",
        "device=cpu",
    ]
    result = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True)
    assert int(result.stdout.splitlines()[-1]) * 1024 < 2e9
    for kind in ("index", "colour", "overlay"):
        with Image.open(tmp_path / "out" / kind / "large.png") as picture:
            assert picture.size == (8192, 8192)
