"""Predictions for an image or a folder of images."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import nn

from segnet.data import DataModule
from segnet.data.images import SUFFIXES, read_image
from segnet.errors import UserError
from segnet.run_folder import write_picture
from segnet.training.task import Task


def find_images(source: Path) -> dict[Path, str]:
    """Find the images at ``source``, a file or a folder (with its folders), and name a PNG file for each.

    Returns:
        For each image the relative path of its results, ``folder/stem.png``; where two images would share it,
        ``folder/stem.suffix.png``.

    Raises:
        UserError: there is nothing there.
    """
    if source.is_file():
        return {source: f"{source.stem}.png"}
    if not source.is_dir():
        raise UserError(f"input={source} does not exist")
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise UserError(f"input={source} holds no images ({', '.join(SUFFIXES)})")
    relative = [path.relative_to(source) for path in paths]
    shared = Counter(path.with_suffix("") for path in relative)
    return {
        path: str(name.with_suffix(".png") if shared[name.with_suffix("")] == 1 else f"{name}.png")
        for path, name in zip(paths, relative, strict=True)
    }


def predict_images(
    network: nn.Module, task: Task, data: DataModule, names: Mapping[Path, str], output: Path, opacity: float
) -> Iterator[Path]:
    """Predict images one after another and write their pictures.

    Args:
        network: in evaluation mode.
        task: what the network was trained for.
        data: the data module of the run.
        names: see :func:`find_images`.
        output: the folder that the pictures go into, one folder in it for each kind of picture.
        opacity: of what is laid over an image, 0..1.

    Yields:
        The path of each image whose pictures are written.

    Raises:
        UserError: a file cannot be read as an image.
    """
    for path, name in names.items():
        image = read_image(path, data.channels)
        for folder, picture in task.pictures(network, data, image, opacity).items():
            write_picture(output / folder / name, picture)
        yield path
