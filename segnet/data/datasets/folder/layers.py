"""Masks in a folder for each label: black and white ones, of which several may hold for the same pixel."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from segnet.data.images import SUFFIXES, label_is_coloured, read_coloured_label, read_label
from segnet.data.labels import BACKGROUND, JOINED_BY
from segnet.errors import UserError

MOST_LABELS = 16

Layers = tuple[tuple[str, Path], ...]
"""Label and mask of one image, the mask below the root."""


def label_folders(images: Path, masks: Path) -> list[Path]:
    """Return the folders of labels inside a folder of masks; none where it is arranged as the images are."""
    folders = [path for path in sorted(masks.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    directly = any(path.is_file() and path.suffix.lower() in SUFFIXES for path in masks.iterdir())
    alike = any((images / folder.name).is_dir() for folder in folders)
    return [] if directly or alike else folders


def read_layers(root: Path, layers: Layers, size: tuple[int, int] | None = None) -> tuple[np.ndarray, list[str]]:
    """Read the masks of an image.

    Args:
        root: of the data set.
        layers: see :func:`layers_of`.
        size: height and width of the image; None: those of the first mask.

    Returns:
        The place of each pixel's set of labels in the list, ``(H, W)``, and the list of sets: names joined by "+", or
        "background".

    Raises:
        UserError: a mask cannot be read, is not black and white, or has another size.
    """
    if len(layers) > MOST_LABELS:
        raise UserError(f"{layers[0][1]} is one of {len(layers)} labels, and there is room for {MOST_LABELS}")
    bits: np.ndarray | None = None
    for place, (_, path) in enumerate(layers):
        holds = _read_black_and_white(root / path)
        size = size or (holds.shape[0], holds.shape[1])
        if holds.shape != size:
            raise UserError(
                f"image and mask differ in size: the image is {size[1]}x{size[0]}, and {root / path} is "
                f"{holds.shape[1]}x{holds.shape[0]}"
            )
        mask = holds.astype(np.uint16) << place
        bits = mask if bits is None else bits | mask
    assert bits is not None
    codes, places = np.unique(bits, return_inverse=True)
    return places.reshape(bits.shape), [_joined([name for name, _ in layers], int(code)) for code in codes]


def sets_of_labels(root: Path, images: Iterable[Layers]) -> list[str]:
    """Return the sets of labels that occur, the background first, then the smaller ones first."""
    found = {name for layers in images for name in read_layers(root, layers)[1]}
    return sorted(found, key=lambda name: (name != BACKGROUND, name.count(JOINED_BY), name))


def _joined(names: Sequence[str], code: int) -> str:
    return JOINED_BY.join(sorted(name for place, name in enumerate(names) if code >> place & 1)) or BACKGROUND


def _read_black_and_white(path: Path) -> np.ndarray:
    """Read where a mask is not black, ``(H, W)`` bool."""
    if label_is_coloured(path):
        pixels = read_coloured_label(path)
        kinds, holds = len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)), pixels.any(-1)
    else:
        pixels = read_label(path)
        kinds, holds = len(np.unique(pixels)), pixels > 0
    if kinds > 2:
        raise UserError(
            f"the mask {path} holds {kinds} values, and the mask of one label is black and white: were its edges "
            f"smoothed? export it again"
        )
    return np.asarray(holds)
