"""Pages of promises name tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOUND = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
}


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def test_each_promise_names_a_test_that_exists(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    names, files = set(re.findall(r"`(test_\w+)`", text)), set(re.findall(r"`([\w/]*test_\w+\.py)`", text))
    assert len(names) > 5
    assert names <= FOUND
    assert all((ROOT / "tests" / file).is_file() for file in files)


def test_the_page_holds_the_kills_that_were_tried():
    table = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").partition("scripts/chaos.py -->")[2]
    row = re.search(r"\*\*all\*\* \| \| \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", table)
    assert row is not None
    runs, killed, terminated, different = map(int, row.groups())
    assert runs > 20
    assert killed + terminated >= 100
    assert different == 0
