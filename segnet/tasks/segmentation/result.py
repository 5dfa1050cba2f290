"""What is known of an image once its classes are predicted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segnet.data.images import as_bytes
from segnet.errors import UserError
from segnet.run_folder import write_arrays, write_picture
from segnet.tasks.segmentation.pictures import colourise, overlay

KINDS = ("index", "colour", "overlay", "probabilities")
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
    """

    image: np.ndarray
    mask: np.ndarray
    probabilities: np.ndarray | None
    classes: tuple[str, ...]
    colours: tuple[tuple[int, ...], ...]

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


def check_kinds(asked: Sequence[str] | None) -> Sequence[str]:
    """Return the kinds of files that are asked for; by default index, colour and overlay.

    Raises:
        UserError: there is no such kind.
    """
    for kind in asked or ():
        if kind not in KINDS:
            raise UserError(f"write={kind} is not known: choose from {', '.join(KINDS)}")
    return DEFAULT_KINDS if asked is None else tuple(dict.fromkeys(asked))


def files_of(name: str, kinds: Sequence[str]) -> dict[str, Path]:
    """Name the file of each kind below an output folder; ``name`` ends in ``.png``."""
    return {kind: Path(kind, f"{name}.npz" if kind == "probabilities" else name) for kind in kinds}
