"""What a folder holds, to see whether a command has written into it."""

from pathlib import Path

from segnet.run_ownership import LOCK


def listing(folder: Path) -> list[tuple[str, int]]:
    """List paths and times of change, without the lock file, which older releases of filelock truncate at each try."""
    paths = [path for path in [folder, *folder.rglob("*")] if path.name != LOCK]
    return sorted((str(path), path.stat().st_mtime_ns) for path in paths)
