"""How long ``segnet-data verify`` takes, and a second start of a training, on generated images.

    python -m scripts.benchmarks.verify                   10,000 images of 480x360, with the time to make them
    python -m scripts.benchmarks.verify --images 1000

The images are JPEG with PNG masks of 11 classes, in folders of splits, and are removed at the end.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data.verification import verify_once
from segnet.devices import available_cores
from segnet.randomness import numpy_stream

SIZE = (360, 480)
CLASSES = 11
SPLITS = {"train": 0.8, "val": 0.1, "test": 0.1}


def write_sample(root: Path, split: str, number: int) -> None:
    """Write one image, smooth and with noise, and the mask of its regions."""
    random = numpy_stream("benchmark", number)
    height, width = SIZE
    coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = (pixels + random.integers(-8, 9, pixels.shape)).clip(0, 255).astype(np.uint8)
    regions = Image.fromarray(random.integers(0, CLASSES, (9, 12), dtype=np.uint8))
    Image.fromarray(noisy).save(root / split / "images" / f"{number:05}.jpg", quality=90)
    regions.resize((width, height), Image.Resampling.NEAREST).save(root / split / "masks" / f"{number:05}.png")


def make_set(root: Path, images: int) -> None:
    """Write a data set of so many images."""
    splits = [split for split, share in SPLITS.items() for _ in range(round(share * images))]
    for split in SPLITS:
        for folder in ("images", "masks"):
            (root / split / folder).mkdir(parents=True)
    with ProcessPoolExecutor(available_cores()) as pool:
        list(pool.map(partial(write_sample, root), splits, range(len(splits)), chunksize=64))


def seconds_to_verify(root: Path) -> float:
    """Call the command as a user does."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "segnet.cli.data", "verify", "data=folder", f"data.root={root}"]
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def seconds_to_start(root: Path) -> float:
    """Verify as every training does first, from a config to what its labels hold."""
    started = time.perf_counter()
    verify_once(data_from_config(compose(["data=folder", f"data.root={root}", "data.cache_budget_gib=0"])))
    return time.perf_counter() - started


def main() -> None:
    """Make a set, and print the seconds of the command and of the first and the second start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photos"
        make_set(root, images)
        print(f"{images} images of {SIZE[1]}x{SIZE[0]}, {available_cores()} cores")
        print(f"segnet-data verify, classes not known before: {seconds_to_verify(root):.1f} s")
        print(f"first start of a training, which writes dataset.yaml: {seconds_to_start(root):.1f} s")
        print(f"second start: {seconds_to_start(root):.2f} s")


if __name__ == "__main__":
    main()
