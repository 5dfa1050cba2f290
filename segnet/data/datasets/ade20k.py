"""ADE20K as the scene parsing benchmark has it: 150 classes (Zhou et al. 2017)."""

from pathlib import Path

from segnet.data.datasets.paired import IGNORE, PairedFiles, existing_pairs, held_out
from segnet.data.datasets.public_set import PublicSet
from segnet.data.download import Archive
from segnet.errors import UserError, require

SOURCE = PublicSet(
    name="ADE20K",
    page="http://sceneparsing.csail.mit.edu (ADEChallengeData2016.zip)",
    needed="annotations/training",
    inside=["ADEChallengeData2016"],
    archives=[
        Archive(
            "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
            "sha1:219e1696abb36c8ba3a3afe7fb2f4b4606a897c7",  # gluoncv's scripts/datasets/ade20k.py
            folder="ADEChallengeData2016",
            max_gib=4,
        )
    ],
)
VALUES = {0: IGNORE} | {value: value - 1 for value in range(1, 151)}
"""In the files 0 is what belongs to none of the 150 classes, which count from 1."""


class ADE20K(PairedFiles):
    """One split: ``images/training/NAME.jpg`` and ``annotations/training/NAME.png``; likewise ``validation``.

    The labels of the official test are not public. What the field reports is the official validation, which is the
    test split here; a share of the training images chooses the checkpoint.

    Args:
        split: "train", "val" or "test".
        root: the folder ``ADEChallengeData2016``, or one above it.
        val_share: of the training images that is held out for validation.
        channels: of the images, 3, or 1 for their grey.
        download: fetch the public archive (0.9 GB) where ``root`` does not hold the set.

    Raises:
        UserError: the data are not there or not whole.
    """

    def __init__(
        self, split: str, root: str | Path, val_share: float = 0.05, channels: int = 3, download: bool = False
    ) -> None:
        require(0 < val_share < 1, "data.dataset.val_share", val_share, "a share between 0 and 1")
        place = SOURCE.find(root, download)
        official = "validation" if split == "test" else "training"
        names = sorted(path.stem for path in (place / "annotations" / official).glob("ADE_*.png"))
        if split != "test":
            names = [name for name in names if held_out(name, val_share) == (split == "val")]
        if not names:
            raise UserError(f"{place / 'annotations' / official} holds no labels of the split {split}: unpack it again")
        pairs = existing_pairs(
            names,
            lambda name: place / "images" / official / f"{name}.jpg",
            lambda name: place / "annotations" / official / f"{name}.png",
        )
        super().__init__(pairs, names, VALUES, channels)
