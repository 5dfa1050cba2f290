"""How to install what an optional part of segnet needs.

segnet is on no package index, so that ``pip install segnet[...]`` would fail, or bring somebody else's package.
"""

import re
import shlex
from importlib.metadata import requires
from pathlib import Path


def install_command(extra: str) -> str:
    """Return the command that installs an extra where this package lies.

    Args:
        extra: a name of ``[project.optional-dependencies]`` in ``pyproject.toml``, such as "brain".

    Returns:
        In a checkout ``pip install -e 'FOLDER[extra]'``; elsewhere the packages that the extra stands for.
    """
    checkout = Path(__file__).absolute().parent.parent
    if (checkout / "pyproject.toml").is_file():
        folder = "." if checkout == Path.cwd() else str(checkout)
        return f"pip install -e {shlex.quote(f'{folder}[{extra}]')}"
    return f"pip install {' '.join(shlex.quote(name) for name in requirements(extra))}"


def requirements(extra: str) -> list[str]:
    """Return the requirements that an extra adds, such as ``nilearn>=0.11``, extras in it resolved."""
    found = []
    for line in requires("segnet") or ():
        requirement, _, marker = line.partition(";")
        if not re.search(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""", marker):
            continue
        nested = re.fullmatch(r"segnet\[([\w,-]+)\]", requirement.strip())
        found += [name for part in nested[1].split(",") for name in requirements(part)] if nested else [requirement]
    return [name.strip() for name in found]
