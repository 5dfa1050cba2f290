"""What public sets share: pairs of files, and label values that become classes by a table."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from segnet.data.images import read_image, read_label, read_lines
from segnet.errors import UserError

IGNORE = 255
UNKNOWN = 254
"""What a label value without a class becomes until it is refused."""


class PairedFiles:
    """One split of a set whose images and labels are files.

    Args:
        pairs: the files of each image and its label.
        ids: a name for each.
        classes: the class of each label value, or 255 for pixels that do not count.
        channels: of the images, 3, or 1 for their grey.
    """

    def __init__(
        self, pairs: Sequence[tuple[Path, Path]], ids: Sequence[str], classes: Mapping[int, int], channels: int = 3
    ) -> None:
        self.pairs, self.ids, self.channels = list(pairs), list(ids), channels
        self.table = np.full(256, UNKNOWN, np.uint8)
        self.table[list(classes)] = list(classes.values())

    def files(self, index: int) -> tuple[Path, Path]:
        """Return the files of the image and its label."""
        return self.pairs[index]

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Read image ``(H, W, C)`` and label ``(H, W)``, both uint8.

        Raises:
            UserError: a file cannot be read, the two differ in size, or the label holds a value without a class.
        """
        image_path, label_path = self.pairs[index]
        image, label = read_image(image_path, self.channels), self.read_label(label_path)
        if image.shape[:2] != label.shape:
            raise UserError(
                f"image and label differ in size: {image_path} is {image.shape[1]}x{image.shape[0]}, "
                f"{label_path} is {label.shape[1]}x{label.shape[0]}"
            )
        return image, label

    def read_label(self, path: Path) -> np.ndarray:
        """Read a label file and return classes ``(H, W)`` uint8.

        Raises:
            UserError: it cannot be read, or holds a value without a class.
        """
        values = self.read_values(path)
        label: np.ndarray = self.table[values]
        strange = values[label == UNKNOWN]
        if strange.size:
            raise UserError(f"the label {path} holds {strange[0]} ({strange.size} pixels), which is no class")
        return label

    def read_values(self, path: Path) -> np.ndarray:
        """Read the values of a label file, ``(H, W)`` uint8; a set with other files than images reads them here."""
        return read_label(path)


def listed_names(listing: Path) -> list[str]:
    """Return the first word of each line that is neither empty nor a comment.

    Raises:
        UserError: there is none, or the file cannot be read.
    """
    names = [line.split()[0] for line in read_lines(listing) if line.strip() and not line.startswith("#")]
    if not names:
        raise UserError(f"{listing} names no images: unpack the archive again")
    return names


def names_of_split(split: str, test: Path, others: Path, val_share: float) -> list[str]:
    """Return the names of a split of a set that has a list for the test and one for all others.

    Args:
        split: "train", "val" or "test".
        test: the list of the test split.
        others: the list of which a share is held out for validation.
        val_share: that share.

    Raises:
        UserError: a list names nothing, or cannot be read.
    """
    if split == "test":
        return listed_names(test)
    return [name for name in listed_names(others) if held_out(name, val_share) == (split == "val")]


def existing_pairs(
    names: Sequence[str], image: Callable[[str], Path], label: Callable[[str], Path]
) -> list[tuple[Path, Path]]:
    """Return the files of each name.

    Raises:
        UserError: some are missing.
    """
    pairs = [(image(name), label(name)) for name in names]
    missing = [path for pair in pairs for path in pair if not path.is_file()]
    if missing:
        more = f", nor do {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{missing[0]} does not exist{more}: unpack the archive again")
    return pairs


def held_out(name: str, share: float) -> bool:
    """Say whether a name is among the share that a set without a validation split of its own holds out.

    It depends on the name alone, so that it is the same everywhere, whatever else the list holds.
    """
    return zlib.crc32(name.encode()) < share * 2**32
