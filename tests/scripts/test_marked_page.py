import pytest

from scripts.marked_page import replaced, write_between

PAGE = "a\n<!-- x: written by s.py -->\n\nold\n\n<!-- x: end -->\nb\n"


def test_only_what_lies_between_the_markers_is_written(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    for _ in range(2):  # again, and nothing grows
        write_between(page, "x", "s.py", "new")
        assert page.read_text(encoding="utf-8") == PAGE.replace("old", "new")


@pytest.mark.parametrize("text", ["", PAGE + PAGE, PAGE.replace("x: end", "y: end")])
def test_a_page_without_both_markers_is_refused(text):
    with pytest.raises(ValueError, match=r"must hold <!-- x: written by s\.py --> and <!-- x: end --> once each"):
        replaced(text, "x", "s.py", "new")
