"""A part of CamVid as a data set of its own, in the layout that both sides read; drawn scenes where there is none."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from segnet.data.datasets.shapes import draw_scene, render
from segnet.randomness import numpy_stream

SPLITS = ("train", "val", "test")
SIZE, DRAWN = (360, 480), 8
CLASSES, IGNORE = 11, 11
MEAN, STD = (0.412, 0.424, 0.430), (0.302, 0.307, 0.304)


def find_camvid() -> Path | None:
    """Return the folder of the real data, found through SEGNET_DATA or data/camvid."""
    root = Path(os.environ.get("SEGNET_DATA", "data")).absolute() / "camvid"
    return root if (root / "train.txt").is_file() else None


def write_subset(target: Path, images: dict[str, int]) -> str:
    """Fill ``target`` with the first images of each split, as links, and return what the data are."""
    source = find_camvid()
    drawn = draw_pairs(target / "drawn") if source is None else []
    for split in SPLITS:
        pairs = drawn if source is None else listed_pairs(source, split)
        folders = (target / split, target / f"{split}annot")
        lines = []
        for folder in folders:
            folder.mkdir(parents=True)
        for number in range(images[split]):
            name = f"{number:04d}.png"
            for folder, path in zip(folders, pairs[number % len(pairs)], strict=True):
                (folder / name).symlink_to(path)
            lines.append(f"/SegNet/CamVid/{split}/{name} /SegNet/CamVid/{split}annot/{name}")
        (target / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return "CamVid" if source is not None else "drawn scenes"


def listed_pairs(source: Path, split: str) -> list[tuple[Path, Path]]:
    """Return image and label of each line of a split's list."""
    lines = [line.split() for line in (source / f"{split}.txt").read_text().splitlines() if line.strip()]
    return [tuple(source.joinpath(*Path(entry).parts[-2:]) for entry in line[:2]) for line in lines]


def draw_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Draw a few scenes of CamVid's size."""
    folder.mkdir(parents=True)
    pairs = []
    for number in range(DRAWN):
        scene = draw_scene(numpy_stream("benchmark", number), SIZE[1] / SIZE[0], 12)
        image, label = render(scene, SIZE, supersampling=1)
        pair = folder / f"{number}.png", folder / f"{number}_label.png"
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(pair[0])
        Image.fromarray(label).save(pair[1])
        pairs.append(pair)
    return pairs
