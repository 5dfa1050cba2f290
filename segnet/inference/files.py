"""Which images a command is given, and what the files of their results are called."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from segnet.data.images import SUFFIXES
from segnet.errors import UserError


def find_images(source: str | Path, output: Path) -> dict[Path, str]:
    """Find the images of ``input=``: a file, a folder (with its folders), or a pattern such as ``photos/**/*_rgb.png``.

    Hidden files and folders, and those in the output folder, are left out.

    Returns:
        For each image the relative path of its results, ending in ``.png``; no two are the same.

    Raises:
        UserError: there is nothing there, or the output folder is the input folder.
    """
    source = Path(source)
    if source.is_file():
        return {source: f"{source.stem}.png"}
    if source.is_dir():
        if output.resolve() == source.resolve():
            other = f"{source.resolve().name}_predicted"
            raise UserError(f"output={output} is the input folder: name another one, such as output={other}")
        base, found = source, list(source.rglob("*"))
    elif glob.has_magic(str(source)):
        base, found = _base_of(source), [Path(name) for name in glob.glob(str(source), recursive=True)]
    else:
        raise UserError(f"input={source} does not exist")
    # An output folder around the input is none of it; what would be replaced there is refused later.
    target = None if base.resolve().is_relative_to(output.resolve()) else output.resolve()
    paths = sorted(path for path in found if _is_wanted(path, base, target))
    if not paths:
        raise UserError(f"input={source} holds no images ({', '.join(SUFFIXES)})")
    names = result_names([path.relative_to(base) for path in paths])
    return {path: name.as_posix() for path, name in zip(paths, names, strict=True)}


def _base_of(pattern: Path) -> Path:
    """Return the folder of a pattern that holds no wildcard."""
    fixed = []
    for part in pattern.parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)


def _is_wanted(path: Path, base: Path, output: Path | None) -> bool:
    relative = path.relative_to(base)
    return (
        path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in relative.parts)
        and path.is_file()
        and not (output is not None and path.resolve().is_relative_to(output))
    )


def result_names(images: Sequence[Path]) -> list[Path]:
    """Name a PNG file for each image, no two the same, and none where another one's folder has to be.

    It is ``folder/stem.png`` where that is clear, and else ``folder/stem.suffix.png``.

    Args:
        images: relative paths, all different.
    """
    short = [path.with_suffix(".png") for path in images]
    folders = {parent for path in images for parent in path.parents}
    is_long = [name in folders for name in short]
    while True:
        names = [Path(f"{path}.png") if long else name for path, name, long in zip(images, short, is_long, strict=True)]
        counts = Counter(names)
        clashes = [place for place, name in enumerate(names) if counts[name] > 1 and not is_long[place]]
        if not clashes:
            break
        for place in clashes:
            is_long[place] = True
    taken = {*names, *folders}
    for place, name in enumerate(names):
        if name in folders:
            while name in taken:
                name = Path(f"{name}.png")
            taken.add(name)
            names[place] = name
    return names


def refuse_overwriting(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Refuse results that would replace an image that is predicted, before anything is written.

    Raises:
        UserError: one would.
    """
    given = {path.resolve() for path in inputs}
    for path in outputs:
        if path.resolve() in given:
            raise UserError(f"the result {path} would replace an image of the input: name another folder in output=...")


def prepare_folder(output: Path) -> None:
    """Make the output folder, and find out whether it can be written, before the first image takes its time.

    Raises:
        UserError: it cannot be.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = output / f".{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"output={output} cannot be written ({error.strerror}): name another folder") from error
