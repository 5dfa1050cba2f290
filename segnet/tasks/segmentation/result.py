"""What is known of an image once its classes are predicted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segnet.data.images import as_bytes
from segnet.errors import UserError
from segnet.run_folder import write_arrays, write_picture
from segnet.tasks.segmentation.pictures import colourise, overlay

if TYPE_CHECKING:  # an exported network is used without torch
    from segnet.data.labels import Labels

KINDS = ("index", "colour", "overlay", "probabilities")
LABELS = "labels"
"""A further kind, where several labels may hold for a pixel: a black and white mask of each."""
DEFAULT_KINDS = ("index", "colour", "overlay")


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """The classes of one image.

    Attributes:
        image: what was predicted, ``(H, W, C)``, uint8 or floats in 0..1.
        mask: class of each pixel ``(H, W)`` uint8.
        probabilities: of each class ``(K, H, W)`` float32, adding up to 1; None where they were not asked for.
        classes: names, in the order of the mask's values.
        colours: of each class, RGB 0..255.
        labels: that the classes hold, where several may hold for a pixel.
    """

    image: np.ndarray
    mask: np.ndarray
    probabilities: np.ndarray | None
    classes: tuple[str, ...]
    colours: tuple[tuple[int, ...], ...]
    labels: "Labels | None" = None

    def label_masks(self) -> dict[str, np.ndarray]:
        """Return where each label holds, ``(H, W)`` bool, by its name.

        Raises:
            UserError: a pixel of this result has one class, and no labels.
        """
        if self.labels is None:
            raise UserError("this result has a class for each pixel, and labels only with task=segmentation_multilabel")
        return self.labels.masks(self.mask)

    def colour(self) -> np.ndarray:
        """Return the mask in its classes' colours, ``(H, W, 3)`` uint8."""
        return colourise(self.mask, self.colours)

    def overlay(self, opacity: float = 0.5) -> np.ndarray:
        """Return the colours laid over the image, ``(H, W, 3)`` uint8; opacity 0 shows the image alone."""
        return overlay(as_bytes(self.image), self.colour(), opacity)

    def save(self, path: str | Path, kind: str = "index", opacity: float = 0.5) -> None:
        """Write one of ``KINDS``: the mask, its colours or the overlay as PNG, or the probabilities as ``.npz``.

        The ``.npz`` holds ``probabilities`` ``(K, H, W)`` float16 and ``classes``.

        Raises:
            UserError: the kind is unknown, the file's ending does not fit it, or there are no probabilities.
        """
        path = Path(path)
        if kind not in KINDS:
            raise UserError(f"kind={kind} is not known: choose one of {', '.join(KINDS)}")
        ending = ".npz" if kind == "probabilities" else ".png"
        if path.suffix.lower() != ending:
            raise UserError(f"{kind} is written as {ending}, and {path} has another ending: give it that one")
        if kind != "probabilities":
            picture: dict[str, Callable[[], np.ndarray]] = {
                "index": lambda: self.mask,
                "colour": self.colour,
                "overlay": lambda: self.overlay(opacity),
            }
            write_picture(path, picture[kind]())
        elif self.probabilities is None:
            raise UserError("this result has no probabilities: predict with probabilities=True")
        else:
            write_arrays(path, probabilities=self.probabilities.astype(np.float16), classes=np.array(self.classes))

    def write(self, output: Path, name: str, kinds: Sequence[str], opacity: float) -> None:
        """Write the kinds asked for below an output folder, each into a folder of its own."""
        for kind, path in files_of(name, kinds).items():
            self.save(output / path, kind, opacity)
        if LABELS in kinds and self.labels is not None:
            masks = self.label_masks()
            for label, path in self.labels.files(name).items():
                write_picture(output / path, masks[label].astype(np.uint8) * 255)


def check_kinds(asked: Sequence[str] | None, with_labels: bool = False) -> Sequence[str]:
    """Return the kinds of files that are asked for; by default index, colour and overlay, and the labels if any.

    Raises:
        UserError: there is no such kind.
    """
    known, usual = ((*KINDS, LABELS), (*DEFAULT_KINDS, LABELS)) if with_labels else (KINDS, DEFAULT_KINDS)
    for kind in asked or ():
        if kind not in known:
            raise UserError(f"write={kind} is not known: choose from {', '.join(known)}")
    return usual if asked is None else tuple(dict.fromkeys(asked))


def files_of(name: str, kinds: Sequence[str]) -> dict[str, Path]:
    """Name the file of each kind below an output folder, but for labels; ``name`` ends in ``.png``."""
    return {kind: Path(kind, f"{name}.npz" if kind == "probabilities" else name) for kind in kinds if kind != LABELS}
