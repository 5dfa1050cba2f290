"""Oxford-IIIT Pet, 37 breeds of cats and dogs with outlines (Parkhi et al. 2012)."""

from pathlib import Path

from segnet.data.datasets.paired import PairedFiles, existing_pairs, find_set, names_of_split
from segnet.errors import require

PAGE = "https://www.robots.ox.ac.uk/~vgg/data/pets/"
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

    Raises:
        segnet.errors.UserError: the data are not there or not whole.
    """

    def __init__(self, split: str, root: str | Path, val_share: float = 0.1, channels: int = 3) -> None:
        require(0 < val_share < 1, "data.dataset.val_share", val_share, "a share between 0 and 1")
        place = find_set(Path(root), ["oxford-iiit-pet"], "annotations/trainval.txt", "Oxford-IIIT Pet", PAGE)
        lists = place / "annotations"
        names = names_of_split(split, lists / "test.txt", lists / "trainval.txt", val_share)
        pairs = existing_pairs(
            names,
            lambda name: place / "images" / f"{name}.jpg",
            lambda name: place / "annotations" / "trimaps" / f"{name}.png",
        )
        super().__init__(pairs, names, VALUES, channels)
