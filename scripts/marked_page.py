"""Writes the part of a page that lies between two markers, and leaves the rest of it to its authors."""

from pathlib import Path


def write_between(page: Path, name: str, script: str, content: str) -> None:
    """Replace what stands between ``<!-- NAME: written by SCRIPT -->`` and ``<!-- NAME: end -->``.

    Raises:
        ValueError: the page does not have each marker once.
    """
    page.write_text(replaced(page.read_text(encoding="utf-8"), name, script, content), encoding="utf-8")


def replaced(text: str, name: str, script: str, content: str) -> str:
    """Return the text with new content between the markers.

    Raises:
        ValueError: it does not have each marker once.
    """
    begin, end = f"<!-- {name}: written by {script} -->", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the page must hold {begin} and {end} once each")
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}"
