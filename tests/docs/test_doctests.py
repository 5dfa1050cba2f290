"""The examples in docstrings run, each module's by itself."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "segnet").rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0, "what the examples gave instead stands in the captured output"


def test_what_most_people_begin_with_has_examples():
    assert {"segnet.build", "segnet.layers.upsamplers", "segnet.losses.cross_entropy"} <= set(MODULES)
