"""CamVid as it was published: 701 frames of 960x720, and labels in 32 colours (Brostow et al. 2009)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segnet.data.datasets.folder.masks import Colour, classes_of_colours
from segnet.data.datasets.paired import IGNORE, PairedFiles
from segnet.data.datasets.public_set import PublicSet
from segnet.data.download import Archive
from segnet.data.images import read_coloured_label
from segnet.errors import UserError

FILES = "http://web4.cs.ucl.ac.uk/staff/g.brostow/MotionSegRecData"
SOURCE = PublicSet(
    name="CamVid at 960x720",
    page="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/ (701_StillsRaw_full and LabeledApproved_full)",
    needed="LabeledApproved_full",
    archives=[  # no checksums are published
        Archive(f"{FILES}/files/701_StillsRaw_full.zip", target="701_StillsRaw_full"),
        Archive(f"{FILES}/data/LabeledApproved_full.zip", target="LabeledApproved_full"),
    ],
)
VOID = (0, 0, 0)
UNKNOWN = 254
VAL_FRAMES = range(7959, 8160)
FIRST_TEST_FRAME = 8550


class CamVidFull(PairedFiles):
    """One split: ``701_StillsRaw_full/NAME.png`` and ``LabeledApproved_full/NAME_L.png``.

    The splits are those of the SegNet tutorial, frame by frame: the test has the film Seq05VD and the second half of
    0001TP, validation the frames 7959 to 8159 of 0016E5, which were labelled at a higher rate.

    Args:
        split: "train", "val" or "test".
        root: the folder with both.
        label_colours: the colour of each class in the files, or several, in the order of the classes; black is void.
        channels: of the images, 3, or 1 for their grey.
        download: fetch the public archives (0.6 GB) where ``root`` does not hold the set.

    Raises:
        UserError: the data are not there or not whole.
    """

    def __init__(
        self,
        split: str,
        root: str | Path,
        label_colours: Mapping[str, Sequence[Colour] | Colour],
        channels: int = 3,
        download: bool = False,
    ) -> None:
        place = SOURCE.find(root, download)
        labels = _files(place / "LabeledApproved_full")
        images = _files(place / "701_StillsRaw_full")
        names = sorted(name.removesuffix("_L") for name in labels if name.endswith("_L"))
        names = [name for name in names if split_of(name) == split]
        if not names:
            raise UserError(f"{place / 'LabeledApproved_full'} holds no labels of the split {split}: unpack it again")
        if missing := [name for name in names if name not in images]:
            raise UserError(
                f"{place / '701_StillsRaw_full'} has no {missing[0]}.png, nor {len(missing) - 1} more that have a "
                f"label: unpack 701_StillsRaw_full.zip there"
            )
        super().__init__([(images[name], labels[f"{name}_L"]) for name in names], names, {}, channels)
        self.label_colours = [_several(colours) for colours in label_colours.values()]

    @property
    def groups(self) -> list[str]:
        """Name of the film that each frame is of."""
        return [name.partition("_")[0] for name in self.ids]

    def read_label(self, path: Path) -> np.ndarray:
        """Read a label file and return classes ``(H, W)`` uint8, void 255.

        Raises:
            UserError: it cannot be read, or has a colour that no class has.
        """
        pixels = read_coloured_label(path)
        label = classes_of_colours(pixels, self.label_colours, UNKNOWN)
        label[(pixels == VOID).all(axis=-1)] = IGNORE
        strange = pixels[label == UNKNOWN]
        if len(strange):
            raise UserError(
                f"the label {path} holds the colour {strange[0].tolist()} ({len(strange)} pixels), which is that of no "
                f"class: add it to data.label_colours"
            )
        return label


def _several(colours: Any) -> list[Colour]:
    """Return colours as a list also where there is one, as in ``[0, 0, 0]`` for ``[[0, 0, 0]]``."""
    return [tuple(colour) for colour in ([colours] if isinstance(colours[0], int) else colours)]


def split_of(name: str) -> str:
    """Return the split that a frame such as ``0016E5_07959`` has in the SegNet tutorial's lists."""
    film, _, frame = name.partition("_")
    number = int("".join(character for character in frame if character.isdigit()) or 0)
    if film == "Seq05VD" or (film == "0001TP" and number >= FIRST_TEST_FRAME):
        return "test"
    return "val" if film == "0016E5" and number in VAL_FRAMES else "train"


def _files(folder: Path) -> dict[str, Path]:
    """Return the PNG files below a folder by their names; archives have them at several depths."""
    return {path.stem: path for path in sorted(folder.rglob("*.png")) if not path.name.startswith(".")}
