"""Where data lie: in a folder of this machine, or at an address."""

import re
from pathlib import Path

ADDRESS = re.compile(r"[a-z][a-z0-9]*://|local:")


def is_address(place: str | Path) -> bool:
    """Tell an address, such as ``s3://bucket/set``, from the path of a folder; ``local:PATH`` counts as one."""
    return ADDRESS.match(str(place)) is not None
