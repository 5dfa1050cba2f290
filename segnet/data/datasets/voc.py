"""Pascal VOC 2012, segmentation (Everingham et al. 2015)."""

from pathlib import Path

from segnet.data.datasets.paired import IGNORE, PairedFiles, existing_pairs, find_set, names_of_split
from segnet.errors import require

PAGE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
VALUES = {value: value for value in range(21)} | {255: IGNORE}


class PascalVOC(PairedFiles):
    """One split of VOC 2012: ``JPEGImages/NAME.jpg`` and ``SegmentationClass/NAME.png``, palette images.

    The labels of the official test are not public. What the field reports is the official ``val.txt``, which is the
    test split here; a share of ``train.txt`` chooses the checkpoint.

    Args:
        split: "train", "val" or "test".
        root: the folder ``VOC2012``, or one above it.
        val_share: of ``train.txt`` that is held out for validation.
        channels: of the images, 3, or 1 for their grey.

    Raises:
        segnet.errors.UserError: the data are not there or not whole.
    """

    def __init__(self, split: str, root: str | Path, val_share: float = 0.1, channels: int = 3) -> None:
        require(0 < val_share < 1, "data.dataset.val_share", val_share, "a share between 0 and 1")
        folders = ["VOC2012", "VOCdevkit/VOC2012"]
        place = find_set(Path(root), folders, "ImageSets/Segmentation/train.txt", "Pascal VOC 2012", PAGE)
        lists = place / "ImageSets" / "Segmentation"
        names = names_of_split(split, lists / "val.txt", lists / "train.txt", val_share)
        pairs = existing_pairs(
            names,
            lambda name: place / "JPEGImages" / f"{name}.jpg",
            lambda name: place / "SegmentationClass" / f"{name}.png",
        )
        super().__init__(pairs, names, VALUES, channels)
