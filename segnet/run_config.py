"""The text of a run's ``config.yaml``: its checksum, and what must be in it."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segnet.errors import UserError

HEADER = "# The config of this run. Remove this line if you change anything below it: blake2b "
SIGNED = re.compile(rf"{re.escape(HEADER)}([0-9a-f]{{32}})\n")
NEEDED = (
    *("name", "seed", "channels_last", "data", "model", "task", "loss", "optimizer", "scheduler", "trainer"),
    "callbacks",
)
"""Keys that the config of every run has, of whatever version."""
RUN_DIR = "${run_dir}"
"""What stands in the config of a run for its folder."""


def signed(text: str) -> str:
    """Put a first line over a config that has its checksum."""
    return f"{HEADER}{_digest(text)}\n{text}"


def read_text(path: Path) -> str:
    """Read a config, and compare it with the checksum in its first line, if there is one.

    Raises:
        UserError: it cannot be read, or is not what was written.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: it is no text ({error}); copy the run again") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    first = SIGNED.match(text)
    if first and first[1] != _digest(text[first.end() :]):
        raise UserError(
            f"{path} is not what was written (its checksum differs): copy the run again, or remove its first line if "
            f"the change is meant"
        )
    return text


def check_keys(values: Any, path: Path) -> None:
    """Check that a config has the parts that every run has.

    Raises:
        UserError: it has not.
    """
    if not isinstance(values, dict):
        raise UserError(f"{path} is damaged: it is no config; copy the run again")
    missing = [key for key in NEEDED if key not in values]
    if missing:
        raise UserError(f"{path} is damaged: it has no {', '.join(missing)}; copy the run again")
    for key in ("data", "model", "task", "trainer"):
        if not isinstance(values[key], dict):
            raise UserError(f"{path} is damaged: {key} has no settings; copy the run again")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def with_texts(values: Any, change: Callable[[str], str]) -> Any:
    """Return plain values with each text changed."""
    if isinstance(values, dict):
        return {key: with_texts(value, change) for key, value in values.items()}
    if isinstance(values, list):
        return [with_texts(value, change) for value in values]
    return change(values) if isinstance(values, str) else values
