"""What ``configs/data/folder.yaml`` takes from a folder."""

from pathlib import Path
from typing import Any

from segnet.data.datasets.folder.content import FolderDescription
from segnet.data.datasets.folder.description import describe_folder, find_samples
from segnet.errors import UserError

LONGEST_SIDE = 512
"""Of what the network sees, where images are larger than that."""
BATCH_SIZE = 8


def folder_setting(root: str | None, name: str, scale: float = 1.0) -> Any:
    """Return a setting of the data module that follows from ``dataset.yaml``, which is written where there is none.

    Args:
        root: the folder.
        name: channels, mean, std, classes (by name the colour), batch_size, scale, or crop.
        scale: at which the network sees the images; for "crop".

    Raises:
        UserError: no folder is given, or see :func:`segnet.data.datasets.folder.describe_folder`.
    """
    if root is None:
        raise UserError(
            "data=folder needs the folder of your images and masks: say data.root=FOLDER, as in data.root=photos"
        )
    description = describe_folder(Path(root))
    if name == "classes":
        return {key: list(entry.colour) for key, entry in description.classes.items()}
    if name == "batch_size":
        return min(BATCH_SIZE, len(find_samples(Path(root), description.splits)["train"]))
    if name == "scale":
        return round(min(1.0, LONGEST_SIDE / max(description.size)), 3)
    if name == "crop":
        return [max(1, round(side * scale)) for side in description.size]
    return _listed(description, name)


def _listed(description: FolderDescription, name: str) -> Any:
    value = getattr(description, name)
    return list(value) if isinstance(value, tuple) else value
