"""An enlarged image, and how it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segnet.errors import UserError
from segnet.run_folder import write_picture


@dataclass(frozen=True, eq=False)
class Enlargement:
    """An image, and what super-resolution made of it.

    Attributes:
        image: the input ``(H, W, C)``, uint8 or floats in 0..1.
        enlarged: ``(factor * H, factor * W, C)`` uint8.
    """

    image: np.ndarray
    enlarged: np.ndarray

    def save(self, path: str | Path) -> None:
        """Write the enlarged image as PNG.

        Raises:
            UserError: the file has another ending.
        """
        if Path(path).suffix.lower() != ".png":
            raise UserError(f"an enlarged image is written as .png, and {path} has another ending: give it that one")
        write_picture(Path(path), self.enlarged[..., 0] if self.enlarged.shape[-1] == 1 else self.enlarged)

    def write(self, output: Path, name: str, kinds: Sequence[str], opacity: float) -> None:
        """Write the enlarged image into an output folder; there is one kind, and nothing is laid over it."""
        self.save(output / name)


def check_kinds(asked: Sequence[str] | None) -> Sequence[str]:
    """Return the one kind of file that there is, the enlarged image.

    Raises:
        UserError: a choice is asked for.
    """
    if asked is not None:
        raise UserError(f"write=[{','.join(asked)}] is for segmentation, and this run enlarges images: leave write out")
    return ("enlarged",)
