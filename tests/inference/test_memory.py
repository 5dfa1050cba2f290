"""A large image does not take large memory, measured in a process of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

resource = pytest.importorskip("resource")

CODE = """
import json, resource, sys
from segnet.cli import predict
predict.main()
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts in KiB on Linux alone")
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
    assert json.loads(result.stdout.splitlines()[-1]) * 1024 < 2e9
    for kind in ("index", "colour", "overlay"):
        with Image.open(tmp_path / "out" / kind / "large.png") as picture:
            assert picture.size == (8192, 8192)
