"""Cityscapes, fine annotations: 19 classes from 34 label ids (Cordts et al. 2016)."""

from collections.abc import Sequence
from pathlib import Path

from segnet.data.datasets.paired import IGNORE, PairedFiles, existing_pairs
from segnet.data.datasets.public_set import PublicSet
from segnet.errors import UserError

SOURCE = PublicSet(
    name="Cityscapes",
    page="https://www.cityscapes-dataset.com/downloads/ (leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip)",
    needed="leftImg8bit/train",
    inside=["cityscapes"],
    reason="it needs an account",
)
LEARNED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label ids of the 19 classes, in the order of their train ids; the others do not count."""
VALUES = dict.fromkeys((*range(34), 255), IGNORE) | {value: index for index, value in enumerate(LEARNED)}


class Cityscapes(PairedFiles):
    """One split: ``leftImg8bit/SPLIT/CITY/*_leftImg8bit.png`` and ``gtFine/SPLIT/CITY/*_gtFine_labelIds.png``.

    The labels of the official test are not public. What the field reports is the official ``val``, which is the test
    split here; some cities of ``train`` choose the checkpoint, whole cities, since their frames belong together.

    Args:
        split: "train", "val" or "test".
        root: the folder with ``leftImg8bit`` and ``gtFine``.
        val_cities: of ``train``, held out for validation.
        channels: of the images, 3, or 1 for their grey.
        download: is refused: the set needs an account.

    Raises:
        UserError: the data are not there or not whole, or a city is not.
    """

    def __init__(
        self,
        split: str,
        root: str | Path,
        val_cities: Sequence[str] = ("ulm", "weimar", "zurich"),
        channels: int = 3,
        download: bool = False,
    ) -> None:
        place = SOURCE.find(root, download)
        official = "val" if split == "test" else "train"
        folder = place / "leftImg8bit" / official
        cities = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        if split != "test":
            if absent := sorted(set(val_cities) - set(cities)):
                raise UserError(
                    f"data.dataset.val_cities names {', '.join(absent)}, and {folder} has {', '.join(cities) or 'none'}"
                )
            cities = [city for city in cities if (city in val_cities) == (split == "val")]
        ending = "_leftImg8bit.png"
        images = sorted(path for city in cities for path in (folder / city).glob(f"*{ending}"))
        if not images:
            raise UserError(f"{folder} holds no images of the split {split}: unpack leftImg8bit_trainvaltest.zip there")
        names = [f"{path.parent.name}/{path.name.removesuffix(ending)}" for path in images]
        pairs = existing_pairs(
            names,
            lambda name: folder / f"{name}{ending}",
            lambda name: place / "gtFine" / official / f"{name}_gtFine_labelIds.png",
        )
        super().__init__(pairs, names, VALUES, channels)
