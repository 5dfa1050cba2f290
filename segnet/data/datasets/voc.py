"""Pascal VOC 2012, segmentation (Everingham et al. 2015)."""

from pathlib import Path

from segnet.data.datasets.paired import IGNORE, PairedFiles, existing_pairs, names_of_split
from segnet.data.datasets.public_set import PublicSet
from segnet.data.download import Archive
from segnet.errors import require

SOURCE = PublicSet(
    name="Pascal VOC 2012",
    page="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    needed="ImageSets/Segmentation/train.txt",
    inside=["VOC2012", "VOCdevkit/VOC2012"],
    archives=[  # address and checksum: torchvision.datasets.VOCSegmentation
        Archive(
            "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            "md5:6cd6e144f989b92b3379bac3b3de84fd",
            folder="VOC2012",
            max_gib=4,
        )
    ],
)
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
        download: fetch the public archive (2 GB) where ``root`` does not hold the set.

    Raises:
        segnet.errors.UserError: the data are not there or not whole.
    """

    def __init__(
        self, split: str, root: str | Path, val_share: float = 0.1, channels: int = 3, download: bool = False
    ) -> None:
        require(0 < val_share < 1, "data.dataset.val_share", val_share, "a share between 0 and 1")
        place = SOURCE.find(root, download)
        lists = place / "ImageSets" / "Segmentation"
        names = names_of_split(split, lists / "val.txt", lists / "train.txt", val_share)
        pairs = existing_pairs(
            names,
            lambda name: place / "JPEGImages" / f"{name}.jpg",
            lambda name: place / "SegmentationClass" / f"{name}.png",
        )
        super().__init__(pairs, names, VALUES, channels)
