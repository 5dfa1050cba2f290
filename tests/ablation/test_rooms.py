"""The rooms of an experiment import each other in one direction, and only what they are meant to know."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import segnet.ablation

ROOT = Path(segnet.ablation.__file__).parent
ROOMS = ("design", "checks", "execution", "statistics", "results", "report")
"""Each may import itself and those before it."""
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
NOT_KNOWN = ("hydra", "omegaconf", "pytorch_lightning")


def imported_modules(code: str) -> Iterator[str]:
    """Yield the absolute name of each imported module, without imports for type checkers alone."""
    for_type_checkers = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for_type_checkers |= {id(below) for statement in node.body for below in ast.walk(statement)}
        if id(node) in for_type_checkers:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not followed here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_imports(room: str, code: str) -> list[str]:
    """List the imports that a file of a room should not have."""
    allowed = ROOMS[: ROOMS.index(room) + 1]
    wrong = []
    for module in imported_modules(code):
        parts = module.split(".")
        if parts[0] in NOT_KNOWN or (parts[:2] == ["segnet", "ablation"] and parts[2] not in allowed):
            wrong.append(module)
        if parts[:2] in (["segnet", "cli"], ["segnet", "demo"]):
            wrong.append(module)
    return wrong


def test_every_folder_is_a_room_with_a_place_in_the_order():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_room_imports_only_those_before_it(path):
    room = path.relative_to(ROOT).parts[0]
    assert wrong_imports(room, path.read_text()) == []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("from segnet.ablation.execution.jobs import run_job", ["segnet.ablation.execution.jobs.run_job"]),
        ("def late():\n    import segnet.ablation.report.page", ["segnet.ablation.report.page"]),
        ("from segnet.ablation import Plan", ["segnet.ablation.Plan"]),
        ("from omegaconf import OmegaConf", ["omegaconf.OmegaConf"]),
        ("from segnet.ablation.design.plan import Plan\nfrom segnet.config import Config", []),
        ("if TYPE_CHECKING:\n    from segnet.ablation.report.page import render_page", []),
    ],
)
def test_a_wrong_import_is_found(code, wrong):
    assert wrong_imports("checks", code) == wrong


@pytest.mark.slow
def test_the_proof_of_fairness_needs_no_lightning():
    code = "import sys, segnet.ablation.checks.fairness; assert 'pytorch_lightning' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
