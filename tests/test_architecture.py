"""Rooms import only rooms before them, and docs/architecture.md shows what they import today."""

from pathlib import Path

import pytest

from scripts import architecture
from scripts.architecture import (
    BEGIN,
    END,
    PAGE,
    PICTURE,
    Import,
    all_imports,
    imports_of,
    picture,
    room_imports,
    updated,
    violations,
)

PACKAGE = Path(__file__).parent.parent / "segnet"


def test_rooms_and_parts_import_only_what_comes_before_them():
    assert violations(all_imports()) == []


def test_page_and_picture_are_up_to_date():
    rooms = room_imports(all_imports())
    page = PAGE.read_text(encoding="utf-8")
    assert updated(page, rooms) == page, "python -m scripts.architecture writes the page anew"
    assert PICTURE.read_text(encoding="utf-8") == picture(rooms), "python -m scripts.architecture draws it anew"


def test_every_folder_and_file_has_a_room():
    names = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    names -= {"__init__", "__pycache__", "configs"}
    assert {architecture.room_of(name) for name in names} <= set(architecture.ROOMS)
    with pytest.raises(ValueError, match="segnet/attic is not on the map"):
        architecture.room_of("attic")


@pytest.mark.parametrize(
    ("file", "module", "sentence"),
    [
        ("layers/pooling/pool.py", "segnet.models", "layers imports segnet.models, which comes after it"),
        ("errors.py", "segnet.config", "ground imports segnet.config, which comes after it"),
        ("build.py", "segnet.training.task", "build imports segnet.training.task, which comes after it"),
        ("data/cache.py", "hydra.utils", "data imports hydra, which belongs to ground, config, cli"),
        ("metrics/counts.py", "pytorch_lightning", "metrics imports pytorch_lightning, which belongs to"),
        (
            "ablation/design/plan.py",
            "segnet.ablation.report.text",
            "ablation/design imports segnet.ablation.report.text, which comes after it",
        ),
    ],
)
def test_an_import_that_breaks_the_order_is_named(file, module, sentence):
    (found,) = violations([Import(PACKAGE / file, 7, module)])
    assert found.startswith(f"segnet/{file}:7: {sentence}")


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("models/network.py", "segnet.layers"),
        ("devices.py", "segnet.errors"),
        ("cli/train.py", "hydra"),
        ("ablation/experiment.py", "segnet.ablation.report.writing"),
        ("ablation/report/page.py", "segnet.ablation.design.plan"),
        ("cli/profile.py", "segnet"),
    ],
)
def test_an_import_of_what_comes_before_is_allowed(file, module):
    assert violations([Import(PACKAGE / file, 7, module)]) == []


def test_which_imports_count(tmp_path):
    path = tmp_path / "file.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "from segnet import build\n"
        "from segnet.layers import Nearest\n"
        "if TYPE_CHECKING:\n    from segnet.training import task\nelse:\n    import numpy\n"
        "def late():\n    import torch\n"
    )
    found = {(line, module) for _, line, module in imports_of(path)}
    assert found == {(1, "typing"), (2, "segnet.build"), (3, "segnet.layers"), (7, "numpy"), (9, "torch")}
    path.write_text("from . import sibling\n")
    with pytest.raises(ValueError, match=r"file\.py:1: imports are absolute here, and this one is relative"):
        list(imports_of(path))


def test_the_table_is_written_between_its_marks():
    rooms = {"layers": {"ground"}, "ground": set()}
    page = updated(f"above\n\n{BEGIN}\n\nold\n\n{END}\n\nbelow\n", rooms)
    before, table = page.split(BEGIN)
    assert before == "above\n\n"
    lines = table.split(END)[0].strip().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| the ground", "| `layers`"]
    assert lines[3].endswith("| `ground` |")
    assert page.endswith(f"{END}\n\nbelow\n")


def test_the_picture_marks_imports_that_run_upwards():
    drawn = picture({"ground": {"layers"}, "layers": {"ground"}})
    assert drawn.count("<circle") == 2
    assert drawn.count("#c62828") == 1
