"""Oxford-IIIT Pet, 37 breeds of cats and dogs with outlines (Parkhi et al. 2012)."""

from pathlib import Path

from segnet.data.datasets.paired import PairedFiles, existing_pairs, names_of_split
from segnet.data.datasets.public_set import PublicSet
from segnet.data.download import Archive
from segnet.errors import require

SOURCE = PublicSet(
    name="Oxford-IIIT Pet",
    page="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    needed="annotations/trainval.txt",
    inside=["oxford-iiit-pet"],
    archives=[  # checksums: torchvision.datasets.OxfordIIITPet
        Archive(
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
            "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c",
            folder="images",
            target="images",
        ),
        Archive(
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
            "md5:95a8c909bbe2e81eed6a22bccdf3f68f",
            folder="annotations",
            target="annotations",
        ),
    ],
)
VALUES = {2: 0, 1: 1, 3: 2}
"""In the files 1 is the pet, 2 the background and 3 the border between them; here 0 is the background."""


class Pet(PairedFiles):
    """One split of Oxford-IIIT Pet: ``images/NAME.jpg`` and ``annotations/trimaps/NAME.png``, in three classes.

    The set has a list for training and validation and one for the test; a share of the first is the validation split.

    Args:
        split: "train", "val" or "test".
        root: the folder with ``images`` and ``annotations``, or that with ``oxford-iiit-pet``.
        val_share: of ``trainval.txt`` that is held out for validation.
        channels: of the images, 3, or 1 for their grey.
        download: fetch the public archives (0.8 GB) where ``root`` does not hold the set.

    Raises:
        segnet.errors.UserError: the data are not there or not whole.
    """

    def __init__(
        self, split: str, root: str | Path, val_share: float = 0.1, channels: int = 3, download: bool = False
    ) -> None:
        require(0 < val_share < 1, "data.dataset.val_share", val_share, "a share between 0 and 1")
        place = SOURCE.find(root, download)
        lists = place / "annotations"
        names = names_of_split(split, lists / "test.txt", lists / "trainval.txt", val_share)
        pairs = existing_pairs(
            names,
            lambda name: place / "images" / f"{name}.jpg",
            lambda name: place / "annotations" / "trimaps" / f"{name}.png",
        )
        super().__init__(pairs, names, VALUES, channels)
