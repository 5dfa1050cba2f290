"""The code of docs/notes.md runs from top to bottom, and its pictures can be drawn again."""

import importlib.util
import re
from pathlib import Path

import pytest

from segnet.config import config_dir

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "notes.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
SPEC = importlib.util.spec_from_file_location("notes_figures", ROOT / "scripts" / "notes_figures.py")
figures = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(figures)


def test_every_code_block_runs():
    assert len(BLOCKS) == PAGE.count("```python") > 8
    namespace: dict = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"docs/notes.md, block {number}", "exec"), namespace)
        assert "assert" in block or "build_network" in block, "a block that shows nothing"


def test_the_page_names_every_choice_of_the_operators():
    for group in ("convolution", "fusion", "upsampler", "activation", "downsampling"):
        for path in (config_dir() / group).glob("*.yaml"):
            assert f"`{path.stem}`" in PAGE or f"`{group}={path.stem}`" in PAGE, (group, path.stem)


def test_pictures_and_links_exist_and_are_small():
    pictures = re.findall(r"\]\(images/(\w+)\.png\)", PAGE)
    assert set(pictures) == set(figures.FIGURES)
    for name in pictures:
        assert 1000 < (figures.IMAGES / f"{name}.png").stat().st_size < 100_000
    for link in re.findall(r"\]\((\w+\.md)\)", PAGE):
        assert (ROOT / "docs" / link).is_file()


@pytest.mark.parametrize("name", figures.FIGURES)
def test_every_picture_can_be_drawn_again(name, tmp_path):
    figures.FIGURES[name]().savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000
