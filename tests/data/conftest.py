from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.cached_photos import Photos


@pytest.fixture
def photos_root(write_camvid, tmp_path, monkeypatch) -> Path:
    """A tiny data set in CamVid's layout, one of its images of another size, and no cache of it anywhere."""
    monkeypatch.setattr(Photos, "decoded", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("SEGNET_CACHE", raising=False)
    root = write_camvid(tmp_path / "camvid")
    for folder, image in (("train", np.zeros((9, 7, 3), np.uint8)), ("trainannot", np.ones((9, 7), np.uint8))):
        Image.fromarray(image).save(root / folder / "1.png")
    return root
