"""The page of results says what the committed bundles and networks say."""

import copy

import pytest

from scripts.results import as_planned, bundles, draw, experiment_table, pages, read_results, verdict, write_reports


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_page_is_up_to_date(page):
    assert page.read_text(encoding="utf-8") == pages()[page], "call python -m scripts.results"


@pytest.fixture
def results():
    """The committed experiment, as if nothing had been detected."""
    found = copy.deepcopy(read_results("upsamplers"))
    for comparison in as_planned(found)["comparisons"]["miou"]:
        comparison["outcome"] = "none"
    return found


def test_a_detected_difference_is_in_table_and_verdict(results):
    comparison = next(c for c in as_planned(results)["comparisons"]["miou"] if c["arm"] == "dysample")
    comparison.update(outcome="better", difference=2.04, interval=[0.5, 3.58])
    assert "| +2.0 [+0.5, +3.6] ▲ |" in experiment_table(results)
    assert "dysample is better than bilinear; no difference was detected for nearest," in verdict(results)


def test_the_verdict_names_what_could_not_be_seen(results):
    for comparison, least in zip(as_planned(results)["comparisons"]["miou"], range(3, 99), strict=False):
        comparison["smallest_detectable"] = float(least)
    assert verdict(results).endswith(
        "Below 3.0 points (nearest, the arm that scatters least) no difference could have been seen."
    )


def test_the_picture_has_a_row_for_each_other_arm(results):
    names = [label.get_text() for label in draw(results).axes[0].get_yticklabels()]
    assert sorted([*names, "bilinear"]) == sorted(as_planned(results)["arms"])


def test_each_bundle_has_a_report_that_shows_no_image_of_the_data(monkeypatch, tmp_path):
    written = {}
    monkeypatch.setattr("scripts.results.write_whole", lambda path, content: written.update({path: content}))
    write_reports()
    assert [path.parent.name for path in written] == bundles()
    assert all("No difference from bilinear" in content or "better" in content for content in written.values())
    assert not any('<table class="crops">' in content for content in written.values())
