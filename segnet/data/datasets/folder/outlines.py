"""Labels that are drawn as outlines, and become pixels here, by COCO's rule for what is inside."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from segnet.data.datasets.folder.coco import read_coco
from segnet.data.datasets.folder.labelme import read_labelme
from segnet.data.datasets.folder.shapes import IGNORED, Outline, to_mask
from segnet.data.datasets.folder.yolo import read_yolo
from segnet.data.labels import BACKGROUND


class UnknownNameError(Exception):
    """An outline has the name of no class."""


def read_outlines(kind: str, label: Path, image: Path, size: tuple[int, int]) -> list[Outline]:
    """Return the outlines of an image, those that lie on top last.

    Labelme's files have an order in which they were drawn. COCO's and YOLO's have none, and where outlines overlap
    the smaller one lies on top, since a bag is in front of who carries it more often than behind.

    Args:
        kind: "labelme", "coco" or "yolo".
        label: the file that holds them.
        image: the file that they are of.
        size: its height and width.

    Raises:
        UserError: the file cannot be read, or holds what is no outline.
    """
    if kind == "labelme":
        return read_labelme(label, size)
    outlines = read_coco(label, image, size) if kind == "coco" else read_yolo(label, size)
    return sorted(outlines, key=lambda outline: -int(to_mask(outline, size).sum()))


def rasterise(
    outlines: Sequence[Outline], classes: Mapping[str, int], size: tuple[int, int], ignored: int
) -> np.ndarray:
    """Fill outlines one over the other, and return classes ``(H, W)`` uint8.

    Args:
        outlines: those on top last.
        classes: of each name; what no outline covers has that of "background", or is ignored where there is none.
        size: height and width.
        ignored: the label of what is ignored.

    Raises:
        UnknownNameError: a name is that of no class.
    """
    label = np.full(size, classes.get(BACKGROUND, ignored), np.uint8)
    for outline in outlines:
        if outline.name not in classes and outline.name != IGNORED:
            raise UnknownNameError(outline.name)
        label[to_mask(outline, size)] = classes.get(outline.name, ignored)
    return label
