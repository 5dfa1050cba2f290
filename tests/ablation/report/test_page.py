"""The report of an experiment: the same numbers everywhere, whatever is missing, whatever the names."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product

import pytest

from segnet.ablation.report import chart_parts, charts, text
from segnet.ablation.report.tables import latex
from segnet.ablation.report.writing import write_report
from tests.synthetic_experiment import Synthetic, one_factor, write_experiment

TIMES = "\N{MULTIPLICATION SIGN}"
ODD = ("<b>bold</b> & 'co'", 'say "hi"\\n', "naïve_ß 100%", "a|b{c}^~#$")


class Page(HTMLParser):
    """Elements of a page: their tags with attributes, and the text in some of them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.numbers, self.texts, self._path, self.open = [], {}, [], None, []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)
        self._path = dict(attrs).get("data-path") if tag == "data" else None
        if self._path is not None:
            self.numbers[self._path] = [float(dict(attrs)["value"]), ""]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"
        self._path = None

    def handle_data(self, data):
        if self._path is not None:
            self.numbers[self._path][1] += data
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def look_up(results, path):
    """Return the value that a number of the page says it shows."""
    for key in path.split("\t"):
        results = results[int(key)] if isinstance(results, list) else results[key]
    return results


def report(root, made, resamples=50):
    path = write_report(write_experiment(root, made), resamples=resamples)
    return path, Page(path.read_text())


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    made = replace(one_factor(bilinear=0.7, nearest=0.7, max_unpool=0.8), kinds=("as_is", "matched"), fusion=True)
    return report(tmp_path_factory.mktemp("plain"), made)


def test_page_csv_and_json_agree(plain):
    path, page = plain
    results = json.loads((path.parent / "results.json").read_text())
    assert len(page.numbers) > 50
    for place, (value, shown) in page.numbers.items():
        assert look_up(results, place) == value
        plainly = shown.strip().replace(text.MINUS, "-")
        if re.fullmatch(r"[+-]?[\d.]+", plainly):
            assert float(plainly) == pytest.approx(value, abs=0.051)
    rows = list(csv.DictReader(io.StringIO((path.parent / "results.csv").read_text())))
    runs = [run for variant in results["variants"].values() for run in variant["runs"]]
    assert len(rows) == len(runs) == 18
    for row, run in zip(rows, runs, strict=True):
        assert (row["arm"], row["kind"], int(row["seed"])) == (run["arm"], run["kind"], run["seed"])
        assert float(row["miou"]) == run["miou"]
        assert float(row["cost/params"]) == results["variants"][run["kind"]]["arms"][run["arm"]]["costs"]["params"]
    for comparison in results["variants"]["as_is"]["comparisons"]["miou"]:
        assert text.with_minus(comparison["verdict"]) in page.text
        assert f"- {comparison['verdict']}\n" in (path.parent / "results.md").read_text()


def test_only_the_primary_measure_carries_verdicts(plain):
    """max_unpool is better in every measure; all but mIoU say that they are exploratory, wherever they stand."""
    path, page = plain
    results = json.loads((path.parent / "results.json").read_text())
    variant = results["variants"]["as_is"]
    better = {key: variant["comparisons"][key][1] for key in ("miou", "boundary_f1", "boundary_iou")}
    assert {one["outcome"] for one in better.values()} == {"better"}
    assert [one["verdict"].endswith("(exploratory)") for one in better.values()] == [False, True, True]
    assert all(pair["exploratory"] for pair in variant["pairs"])
    for name in ("results.md", "results.tex"):
        rows = [row for row in (path.parent / name).read_text().splitlines() if "max" in row and "unpool" in row]
        # The first two tables are of the arms as they are, the others of the matched ones.
        main, boundary = [row for row in rows if any(sign in row for sign in "▲△") or "triangle" in row][:2]
        closed, opened = ("▲", "△") if name == "results.md" else (r"\blacktriangle", r"\vartriangle")
        assert (closed in main, opened in main) == (True, False)
        assert (closed in boundary, opened in boundary) == (False, True)
    assert "mIoU was declared primary" in page.text
    html = path.read_text()
    pairs = html[html.index('id="pairs"') : html.index('id="fairness"')]
    assert "△" in pairs
    assert "▲" not in pairs


def test_another_measure_can_be_primary(tmp_path):
    made = replace(one_factor(bilinear=0.7, max_unpool=0.8), primary="boundary_f1")
    path, page = report(tmp_path, made)
    results = json.loads((path.parent / "results.json").read_text())
    comparisons = results["variants"]["as_is"]["comparisons"]
    assert comparisons["boundary_f1"][0]["verdict"] in page.text
    assert not comparisons["boundary_f1"][0]["exploratory"]
    assert comparisons["miou"][0]["verdict"].endswith("(exploratory)")
    assert results["variants"]["as_is"]["pairs"][0]["measure"] == "boundary F1"
    assert "boundary F1 against cost" in page.text


def test_classes_in_few_images_are_named(tmp_path):
    path, page = report(tmp_path, replace(one_factor(bilinear=0.7, max_unpool=0.8), images=8))
    assert "Too few of the 8 test images show" in page.text
    assert "Too few of the 8 test images show" in (path.parent / "results.md").read_text()


def test_the_page_needs_nothing_from_elsewhere(plain):
    path, page = plain
    assert path.stat().st_size < 8_000_000
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name].startswith(("data:", "#")), (tag, attributes[name][:80])
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "@import" not in path.read_text()


def test_the_page_is_made_for_readers_of_all_kinds(plain):
    page = plain[1]
    assert page.open == []
    assert dict(page.tags)["html"]["lang"] == "en"
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    assert all(a.get("alt") is not None for tag, a in page.tags if tag == "img")
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    headings = [a["id"] for tag, a in page.tags if tag == "h2"]
    assert [a["aria-labelledby"] for tag, a in page.tags if tag == "section"] == headings


def test_the_first_screen_says_the_verdict(plain):
    page = plain[1]
    assert "max_unpool is better than bilinear; no difference was detected for nearest." in page.text
    assert "3 arms · 3 seeds · 12 test images · 9 of 9 runs" in page.text
    assert "Matched in parameters" in page.text
    assert "segnet-ablate ablation=quick seeds=3" in page.text
    assert "0123456789abcdef0123456789abcdef01234567" in page.text
    assert "No pictures: no completed run has a checkpoint." in page.text


def test_failed_and_missing_runs_are_shown_plainly(tmp_path):
    status = {
        ("nearest", 1): "failed",
        ("max_unpool", 0): "pending",
        ("max_unpool", 1): "killed",
        ("max_unpool", 2): "failed",
    }
    page = report(tmp_path, replace(one_factor(bilinear=0.7, nearest=0.7, max_unpool=0.8), status=status))[1]
    assert "4 runs are missing. Everything below is about the completed runs." in page.text
    assert f"nearest, seed 1: failed {text.MISSING} the loss is not finite" in page.text
    assert "max_unpool, seed 1: killed" in page.text
    assert "2 of 3" in page.text
    assert "0 of 3" in page.text


def test_one_seed_and_no_run_at_all(tmp_path):
    page = report(tmp_path / "one", replace(one_factor(bilinear=0.7, nearest=0.7), seeds=(0,)))[1]
    assert "No verdict on nearest and bilinear: one seed shows no noise between trainings" in page.text
    status = {(arm, 0): "failed" for arm in ("bilinear", "nearest")}
    page = report(tmp_path / "none", replace(one_factor(bilinear=0.7, nearest=0.7), seeds=(0,), status=status))[1]
    assert "Nothing can be compared yet: no run is completed." in page.text


def test_two_factors_have_their_effects(tmp_path):
    arms = {f"{u}+{s}": {"upsampler": u, "skip": s} for u, s in product(("bilinear", "nearest"), ("none", "add"))}
    path, page = report(tmp_path, Synthetic(arms, dict(zip(arms, (0.6, 0.7, 0.65, 0.85), strict=True))))
    assert f"Ablation · upsampler {TIMES} skip" in page.text
    assert "upsampler: nearest instead of bilinear" in page.text
    assert f"nearest {TIMES} add together, beyond the sum of the two" in page.text
    results = json.loads((path.parent / "results.json").read_text())
    chart = charts.interaction(results, "as_is")
    assert [trace["name"] for trace in chart["views"][0]["data"]] == ["none", "add"]


def test_the_certificate_says_what_differs_and_whether_it_may(tmp_path):
    root = write_experiment(tmp_path, one_factor(bilinear=0.7, nearest=0.7))
    fairness = json.loads((root / "fairness.json").read_text())
    fairness["checked"]["as_is"]["parameters"]["1"]["different"] = ["head.bias"]
    fairness["checked"]["as_is"]["batches"]["2"] = {"same": False, "arms": {}}
    fairness["trained"]["problems"] = ["with seed 2 the arms were not trained on the same batches"]
    (root / "fairness.json").write_text(json.dumps(fairness))
    page = Page(write_report(root, resamples=20).read_text())
    assert "This comparison is not fair: with seed 2 the arms were not trained on the same batches." in page.text
    assert "\u2717 differ: head.bias" in page.text
    assert page.text.count("\u2717 differ") == 3
    (root / "plan.yaml").write_text((root / "plan.yaml").read_text() + "allow: [parameters, batches]\n")
    page = Page(write_report(root, resamples=20).read_text())
    assert "\u2717 differ" not in page.text
    assert page.text.count("differ, as the plan allows") == 3


def test_odd_names_stay_text(tmp_path):
    made = replace(one_factor(**dict.fromkeys(ODD, 0.7)), classes=("<i>", "a&b", "x_y"), name="odd & <em>name</em>")
    made = replace(made, arms={arm: {"what_is <it>": arm} for arm in ODD})
    path, page = report(tmp_path, made, resamples=20)
    assert page.open == []
    assert not {"b", "i", "em", "it"} & {tag for tag, _ in page.tags}
    assert all(" ".join(arm.split()) in page.text for arm in ODD)
    markdown = (path.parent / "results.md").read_text()
    header, *rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in [header, *rows[:5]]}) == 1
    lines = (path.parent / "results.tex").read_text().splitlines()
    assert any(line.startswith(r"a|b\{c\}\textasciicircum{}\textasciitilde{}\#\$ &") for line in lines)


def test_latex_rows_are_whole():
    results = {"name": "x", "split": "test", "confidence": 0.95, "variants": {}, "baseline": "a"}
    results["measures"] = [{"key": "miou", "name": "mIoU"}]
    assert latex(results).splitlines()[0].startswith("% Scores in points on the test split")


def test_arms_never_share_colour_symbol_and_dash():
    styles = [tuple(chart_parts.arm_style(place).values()) for place in range(40)]
    assert len(set(styles)) == 40


def test_charts_are_what_plotly_knows(plain):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    page = plain[0].read_text()
    made = json.loads(re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)[1])
    assert list(made) == ["pareto", "matched", "classes", "learning", "trimap", "fusion"]
    colourless = re.sub(r'"var\(--[\w-]+\)(/[\d.]+)?"', '"#123456"', json.dumps(made))
    for chart in json.loads(colourless).values():
        for view in chart["views"]:
            graph_objects.Figure(data=[{"type": "scatter", **trace} for trace in view["data"]], layout=view["layout"])
    learning = made["learning"]["views"][0]
    assert [trace["meta"] for trace in learning["data"]] == [
        a for a in ("bilinear", "nearest", "max_unpool") for _ in "ab"
    ]


@pytest.mark.parametrize(
    ("show", "value", "shown"),
    [
        (text.points, 61.97, "62.0"),
        (text.points, -0.04, "0.0"),
        (text.points, None, text.MISSING),
        (text.p_value, 0.0004, "< 0.001"),
        (text.p_value, 0.0123, "0.012"),
        (text.with_minus, "a-1 by -3.7 [-7.1, -0.3]", "a-1 by _3.7 [_7.1, _0.3]".replace("_", text.MINUS)),
        (text.join_names, ["a", "b", "c"], "a, b and c"),
    ],
)
def test_scores_in_words(show, value, shown):
    assert show(value) == shown


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (
            {"a": "better", "b": "worse", "c": "none"},
            "a is better than z; b is worse than z; no difference was detected for c.",
        ),
        ({"a": "none"}, "No difference from z was detected."),
        ({"a": "none", "b": "none"}, "No difference from z was detected in any arm."),
        (dict.fromkeys("abcd", "worse"), "All 4 other arms are worse than z."),
        ({"a": "better", "b": "better"}, "a and b are better than z."),
    ],
)
def test_the_headline(outcomes, said):
    found = [{"arm": arm, "outcome": outcome, "verdict": ""} for arm, outcome in outcomes.items()]
    assert text.headline({"primary": "miou", "comparisons": {"miou": found}, "skipped": None}, "z") == said


def test_an_experiment_without_image_scores_has_no_report(tmp_path, capsys):
    write_experiment(tmp_path, one_factor(bilinear=0.7, nearest=0.7))
    for path in tmp_path.glob("runs/*/*/scores/test.npz"):
        path.unlink()
    assert write_report(tmp_path) is None
    assert "no report: the runs in" in capsys.readouterr().out
    assert not (tmp_path / "report.html").exists()
