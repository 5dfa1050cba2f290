"""Images and masks of one's own, in a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segnet.data.datasets.folder.content import IGNORE_INDEX, FolderDescription, description_file
from segnet.data.datasets.folder.description import (
    describe_folder,
    find_samples,
    group_of,
)
from segnet.data.datasets.folder.layers import read_layers
from segnet.data.datasets.folder.masks import classes_of_colours
from segnet.data.datasets.folder.outlines import UnknownNameError, rasterise, read_outlines
from segnet.data.datasets.folder.samples import NAMED, OUTLINES, Sample, base_folder
from segnet.data.images import read_coloured_label, read_image, read_label
from segnet.data.value_range import as_range
from segnet.errors import UserError

UNKNOWN = 254
"""What a value or colour that no class has becomes until it is refused; 255 is the ignore index."""


class Folder:
    """One split of a folder with images and masks; ``dataset.yaml`` in it says what the masks mean.

    Args:
        split: "train", "val" or "test".
        root: the folder, or a YAML of Ultralytics.
        channels: of the images, 1 or 3; None takes what ``dataset.yaml`` says.
        value_range: the values of black and white in the images; has to be that of ``dataset.yaml``, if it is given.
        description: what stands in ``dataset.yaml``; None reads it.
        samples: of this split; None finds them.

    Raises:
        UserError: the folder is in no arrangement that is known, see
            :func:`segnet.data.datasets.folder.describe_folder`; or ``value_range`` is another than that of the file.
    """

    def __init__(
        self,
        split: str,
        root: str | Path,
        channels: int | None = None,
        value_range: Sequence[float] | None = None,
        description: FolderDescription | None = None,
        samples: Sequence[Sample] | None = None,
    ) -> None:
        self.root, self.file = base_folder(Path(root)), description_file(Path(root))
        description = description or describe_folder(Path(root))
        self.samples = find_samples(Path(root), description.splits)[split] if samples is None else samples
        self.ids: Sequence[str] = [sample.image.as_posix() for sample in self.samples]
        self.groups = [group_of(sample, description.splits.get("group")) for sample in self.samples]
        self.channels, self.masks = channels or description.channels, description.masks
        self.value_range = description.value_range
        if as_range(value_range) not in (None, self.value_range):
            raise UserError(
                f"data.value_range={list(value_range or ())} is not that of {self.file}, by which mean and std were "
                f"measured: change it there, and delete mean and std, which are measured again"
            )
        self.table = value_table(description)
        self.colours = [list(entry.colours) for entry in description.classes.values()]
        self.names = {name: index for index, entry in enumerate(description.classes.values()) for name in entry.names}
        if self.masks in NAMED:
            self.names |= dict.fromkeys(map(str, description.ignore), IGNORE_INDEX)
        self.ignored_colours = [tuple(colour) for colour in description.ignore] if self.masks == "colour" else []

    def files(self, index: int) -> tuple[Path, ...]:
        """Return the files of the image and its label; an image without objects has none in YOLO's form."""
        image, label = self._paths(index)
        if layers := self.samples[index].layers:
            return (image, *(self.root / path for _, path in layers))
        return (image, label) if self.masks != "yolo" or label.is_file() else (image,)

    def _paths(self, index: int) -> tuple[Path, Path]:
        sample = self.samples[index]
        return self.root / sample.image, self.root / sample.mask

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Read image ``(H, W, C)`` and label ``(H, W)``, both uint8.

        Raises:
            UserError: a file cannot be read, the two differ in size, or the mask holds what is no class.
        """
        image_path, mask_path = self._paths(index)
        image = read_image(image_path, self.channels, self.value_range)
        size = (image.shape[0], image.shape[1])
        if self.masks == "layers":
            return image, self._read_layers(self.samples[index], size)
        if self.masks in OUTLINES:
            return image, self._read_outlines(image_path, mask_path, size)
        label = self._read_mask(mask_path)
        if image.shape[:2] != label.shape:
            raise UserError(
                f"image and mask differ in size: {image_path} is {image.shape[1]}x{image.shape[0]}, "
                f"{mask_path} is {label.shape[1]}x{label.shape[0]}"
            )
        return image, label

    def _read_outlines(self, image: Path, path: Path, size: tuple[int, int]) -> np.ndarray:
        try:
            return rasterise(read_outlines(self.masks, path, image, size), self.names, size, IGNORE_INDEX)
        except UnknownNameError as error:
            raise UserError(
                f"the label {path} holds an outline {error} of {image.name}, which no class in {self.file} has: "
                f"add it to a class, or to ignore"
            ) from error

    def _read_layers(self, sample: Sample, size: tuple[int, int]) -> np.ndarray:
        places, sets = read_layers(self.root, sample.layers, size)
        if unknown := [name for name in sets if name not in self.names]:
            raise UserError(
                f"the masks of {sample.image} hold {unknown[0]} together, which no class in {self.file} has: add it to "
                f"a class, or to ignore"
            )
        label: np.ndarray = np.array([self.names[name] for name in sets], np.uint8)[places]
        return label

    def _read_mask(self, path: Path) -> np.ndarray:
        unknown: tuple[int, ...] | int | None
        if self.masks == "colour":
            pixels = read_coloured_label(path)
            label = classes_of_colours(pixels, self.colours, UNKNOWN)
            if self.ignored_colours:
                label[classes_of_colours(pixels, [self.ignored_colours], 1) == 0] = IGNORE_INDEX
            unknown = tuple(pixels[label == UNKNOWN][0].tolist()) if (label == UNKNOWN).any() else None
        else:
            values = read_label(path)
            label = self.table[values]
            unknown = int(values[label == UNKNOWN][0]) if (label == UNKNOWN).any() else None
        if unknown is not None:
            raise UserError(
                f"the mask {path} holds {unknown} ({(label == UNKNOWN).sum()} pixels), which no class in "
                f"{self.file} has: add it to a class, or to ignore"
            )
        return label


def value_table(description: FolderDescription) -> np.ndarray:
    """Return the label of each mask value, ``(256,)`` uint8; values that mean nothing become 254."""
    table = np.full(256, UNKNOWN, np.uint8)
    if description.masks == "index":
        table[list(description.ignore)] = IGNORE_INDEX
        for index, entry in enumerate(description.classes.values()):
            table[list(entry.values)] = index
    return table
