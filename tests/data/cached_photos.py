"""A small set of photos that counts how often it is decoded, and what the cache of it holds."""

from pathlib import Path

import numpy as np

from segnet.data import CamVid
from segnet.data.cache import FOLDER, CachedDataset
from segnet.data.images import read_image, read_label

RANDOM = np.random.default_rng(0)
BUDGET = 10**6


class Photos(CamVid):
    """Counts how often a file is decoded, in this process; its images can be of several sizes."""

    decoded = 0

    def load(self, index, random):
        type(self).decoded += 1
        return super().load(index, random)


def check(cached, root: Path) -> None:
    """The samples of the training split are those in the files."""
    for index in range(3):
        image, label = cached.load(index, RANDOM)
        assert np.array_equal(image, read_image(root / "train" / f"{index}.png", 3))
        assert np.array_equal(label, read_label(root / "trainannot" / f"{index}.png"))


def opened(root: Path, budget: int = BUDGET, folder: Path | None = None) -> CachedDataset:
    cached = CachedDataset(Photos("train", root), "train", budget, folder)
    cached.open()
    return cached


def decoded_by(root: Path, **settings) -> int:
    before = Photos.decoded
    check(opened(root, **settings), root)
    return Photos.decoded - before


def the_files(root: Path) -> tuple[Path, Path]:
    """The index and the array, of which there is never a second one."""
    (index,), (array,) = ((root / FOLDER).glob(pattern) for pattern in ("*.json", "*.npy"))
    return index, array


def written(root: Path) -> list[str]:
    """What is in the folder besides the file for the lock."""
    return [path.name for path in (root / FOLDER).iterdir() if path.suffix != ".lock"]
