"""Trained networks that come with the package, and those of a model hub: from a name to a folder.

Each is a folder beside this file with ``model.safetensors``, ``config.yaml`` and ``metrics.json``, as
``segnet-export format=hub`` writes it. It is used like a run folder, and needs no network.
"""

import re
from pathlib import Path

from segnet.errors import UserError
from segnet.extras import install_command

WEIGHTS = "model.safetensors"
CARD = "README.md"
SHIPPED, HUB = "pretrained/", "hub:"


def names() -> list[str]:
    """Return the names of the networks that come with the package."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob(f"*/{WEIGHTS}"))


def is_shared(run: str | Path) -> bool:
    """Say whether a run is named by where it is shared, and not by a folder of the user's."""
    return str(run).startswith(HUB) or (str(run).startswith(SHIPPED) and not Path(run).exists())


def locate(run: str | Path) -> Path:
    """Return the folder of a run.

    Args:
        run: a folder; ``pretrained/NAME`` for one that comes with the package (a folder of the user's of that name goes
            first); or ``hub:OWNER/NAME`` for one of the Hugging Face hub, which is downloaded once.

    Raises:
        UserError: there is no network of that name, or it cannot be downloaded.
    """
    if not is_shared(run):
        return Path(run)
    if str(run).startswith(HUB):
        return _download(str(run).removeprefix(HUB))
    name = str(run).removeprefix(SHIPPED).strip("/")
    if name not in names():
        known = [SHIPPED + other for other in names()]
        mend = f"choose one of {', '.join(known)}" if known else "none come with this version"
        raise UserError(f"run={run} is not known: {mend}")
    return Path(__file__).parent / name


def _download(name: str) -> Path:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise UserError(f"hub:{name} is no name of the hub: give hub:OWNER/NAME")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import RepositoryNotFoundError
    except ImportError as error:
        raise UserError(
            f"hub:{name} needs the package huggingface_hub, which is not installed: {install_command('hub')}"
        ) from error
    files = [WEIGHTS, "config.yaml", "metrics.json", "evaluation.json"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=files))
    except RepositoryNotFoundError as error:
        raise UserError(f"hub:{name} is not on the hub, or is private: check owner and name") from error
    except Exception as error:  # being offline has many kinds, of several libraries
        raise UserError(
            f"hub:{name} could not be downloaded ({type(error).__name__}): connect once, and it is kept; or give a "
            f"folder that is here"
        ) from error
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"hub:{name} is no network of segnet: it has no {WEIGHTS}")
    return folder
