"""Sweeps: the folder of each job, and what became of the jobs."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FAILURES = "SEGNET_SWEEP_FAILURES"


def sweep_folder(number: int, overrides: list[str]) -> str:
    """Name one run of a sweep by what it sweeps, as in ``upsampler=nearest,seed=0``.

    Hydra's own name has every override in it, and soon is longer than a file system takes.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = [text for text in sys.argv[1:] if "=" in text and not text.startswith("-")]
    parser = OverridesParser.create()
    swept = {override.key_or_group for override in parser.parse_overrides(given) if override.is_sweep_override()}
    name = ",".join(text for text in overrides if text.split("=")[0] in swept).replace("/", "_")
    return name if 0 < len(name) <= 120 else f"{number:03d}_{name[:120]}".rstrip("_")


@contextmanager
def sweep_failures() -> Iterator[Callable[[], list[str]]]:
    """Gather what :func:`note_failure` says in this process and in those that it starts.

    Yields:
        A function that returns the overrides of each failed job so far.
    """
    with tempfile.TemporaryDirectory(prefix="segnet-sweep-") as folder:
        file = Path(folder, "failures")
        file.touch()
        os.environ[FAILURES] = str(file)
        try:
            yield lambda: file.read_text(encoding="utf-8").splitlines()
        finally:
            del os.environ[FAILURES]


def note_failure(overrides: str) -> None:
    """Say that the job with these overrides failed. Jobs in other processes append to the same file."""
    if FAILURES in os.environ:
        with open(os.environ[FAILURES], "a", encoding="utf-8") as file:
            file.write(f"{overrides}\n")
