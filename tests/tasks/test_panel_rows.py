import numpy as np
import pytest

from segnet.tasks.panel_rows import choose_rows, shorten


@pytest.mark.parametrize(
    ("scores", "rows"),
    [
        ([0.5, 0.1, 0.9, 0.3, 0.7], [("worst", 1), ("median", 0), ("best", 2)]),
        ([0.5, np.nan, 0.1], [("worst", 2), ("best", 0)]),
        ([0.5], [("worst", 0)]),
        ([np.nan, np.nan], [("first", 0)]),
    ],
)
def test_rows_are_the_worst_the_median_and_the_best(scores, rows):
    assert choose_rows(np.array(scores)) == rows


def test_a_long_name_keeps_its_ends():
    assert shorten("0001TP_008550") == "0001TP_008550"
    short = shorten("a" * 50 + "b" * 50)
    assert len(short) == 44
    assert short.startswith("aaa")
    assert short.endswith("bbb")
