"""LoveDA, land cover from the air in towns and in the country: 7 classes (Wang et al. 2021)."""

from collections.abc import Sequence
from pathlib import Path

from segnet.data.datasets.paired import IGNORE, PairedFiles, existing_pairs, held_out
from segnet.data.datasets.public_set import PublicSet
from segnet.data.download import Archive
from segnet.errors import UserError, require

SOURCE = PublicSet(
    name="LoveDA",
    page="https://zenodo.org/records/5706578 (Train.zip and Val.zip)",
    needed="Train",
    inside=["LoveDA"],
    archives=[  # checksums: torchgeo.datasets.LoveDA
        Archive(
            f"https://zenodo.org/records/5706578/files/{split}.zip?download=1",
            f"md5:{checksum}",
            folder=split,
            target=split,
            max_gib=10,
        )
        for split, checksum in (
            ("Train", "de2b196043ed9b4af1690b3f9a7d558f"),
            ("Val", "84cae2577468ff0b5386758bb386d31d"),
        )
    ],
)
VALUES = {0: IGNORE} | {value: value - 1 for value in range(1, 8)}
"""In the files 0 marks pixels without data, and the classes count from 1."""


class LoveDA(PairedFiles):
    """One split: ``Train/Urban/images_png/N.png`` and ``Train/Urban/masks_png/N.png``; likewise ``Rural`` and ``Val``.

    The labels of the official test are not public. The official validation is the test split here; a share of the
    training images chooses the checkpoint.

    Args:
        split: "train", "val" or "test".
        root: the folder with ``Train`` and ``Val``.
        scenes: which of "Urban" and "Rural".
        val_share: of the training images that is held out for validation.
        channels: of the images, 3, or 1 for their grey.
        download: fetch the public archives (6 GB) where ``root`` does not hold the set.

    Raises:
        UserError: the data are not there or not whole.
    """

    def __init__(
        self,
        split: str,
        root: str | Path,
        scenes: Sequence[str] = ("Urban", "Rural"),
        val_share: float = 0.1,
        channels: int = 3,
        download: bool = False,
    ) -> None:
        known = bool(scenes) and set(scenes) <= {"Urban", "Rural"}
        require(known, "data.dataset.scenes", list(scenes), "[Urban,Rural], or one of both")
        require(0 < val_share < 1, "data.dataset.val_share", val_share, "a share between 0 and 1")
        folder = SOURCE.find(root, download) / ("Val" if split == "test" else "Train")
        names = [
            f"{scene}/{path.stem}"
            for scene in scenes
            for path in sorted((folder / scene / "images_png").glob("*.png"))
            if not path.name.startswith(".")
        ]
        if split != "test":
            names = [name for name in names if held_out(name, val_share) == (split == "val")]
        if not names:
            raise UserError(f"{folder} holds no images of {' and '.join(scenes)}: unpack {folder.name}.zip there")

        def file(kind: str, name: str) -> Path:
            scene, _, number = name.partition("/")
            return folder / scene / kind / f"{number}.png"

        pairs = existing_pairs(names, lambda name: file("images_png", name), lambda name: file("masks_png", name))
        super().__init__(pairs, names, VALUES, channels)
