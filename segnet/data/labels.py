"""Labels of which several may hold for one pixel, as the names of classes say it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segnet.errors import UserError

BACKGROUND = "background"
"""The class of pixels that no outline covers, or for which no label holds."""
JOINED_BY = "+"
"""Stands between the names of labels that hold together."""


@dataclass(frozen=True, eq=False)
class Labels:
    """What the classes of a data set stand for.

    Attributes:
        names: of the labels, L of them.
        members: ``(K, L)`` bool: which labels hold where a class is.
    """

    names: tuple[str, ...]
    members: np.ndarray

    def masks(self, classes: np.ndarray) -> dict[str, np.ndarray]:
        """Take the class of each pixel ``(H, W)`` to where each label holds, ``(H, W)`` bool, by its name."""
        return {name: self.members[:, place][classes] for place, name in enumerate(self.names)}

    def counts(self, confusion: np.ndarray) -> np.ndarray:
        """Take a confusion matrix of classes ``(K, K)`` to the hits, labelled and predicted pixels of each label.

        Returns:
            ``(3, L)`` int64, as :func:`segnet.metrics.class_counts` counts classes.
        """
        members = self.members.astype(np.int64)
        hits = np.einsum("kl,kj,jl->l", members, confusion, members)
        return np.stack([hits, members.T @ confusion.sum(1), members.T @ confusion.sum(0)])

    def files(self, name: str) -> dict[str, Path]:
        """Name the file of each label's mask below an output folder; ``name`` ends in ``.png``."""
        folders = [re.sub(r"[^\w ()-]", "_", label) for label in self.names]
        if len(set(folders)) < len(folders):
            folders = [f"{place}_{folder}" for place, folder in enumerate(folders)]
        return {label: Path("labels", folder, name) for label, folder in zip(self.names, folders, strict=True)}


def labels_of(classes: Iterable[str]) -> Labels:
    """Read the labels out of the classes' names: ``cell+nucleus`` is where both hold, ``background`` where none does.

    Raises:
        UserError: no class holds several labels, or two hold the same ones.
    """
    sets = [tuple(part.strip() for part in name.split(JOINED_BY)) if name != BACKGROUND else () for name in classes]
    listed = ", ".join(JOINED_BY.join(parts) or BACKGROUND for parts in sets)
    if all(len(parts) < 2 for parts in sets):
        raise UserError(
            f"task=segmentation_multilabel is for classes of which some hold several labels, such as cell+nucleus, and "
            f"data= has {listed}: choose task=segmentation, or name the classes so in dataset.yaml"
        )
    if len(set(map(frozenset, sets))) < len(sets):
        raise UserError(f"two of the classes {listed} hold the same labels: merge them")
    names = tuple(dict.fromkeys(part for parts in sets for part in parts))
    return Labels(names, np.array([[name in parts for name in names] for parts in sets]))


def label_count(classes: Iterable[str]) -> int:
    """Count the labels, for ``configs/task``; see :func:`labels_of`."""
    return len(labels_of(classes).names)
