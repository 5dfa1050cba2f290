"""A stored number that does not follow from the counts is found, and so is a file that shows another one."""

import json
import re
import shutil

import numpy as np
import pytest

from segnet.ablation.report.verification import verify
from segnet.ablation.report.writing import write_report
from segnet.cli.ablate import work
from segnet.config import compose
from segnet.errors import UserError
from tests.synthetic_experiment import one_factor, write_experiment


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("written")
    made = one_factor(bilinear=0.7, max_unpool=0.8)
    made.kinds = ("as_is", "matched")
    write_experiment(root, made)
    write_report(root, resamples=50)
    return root


@pytest.fixture
def change(written):
    """Change a file of the experiment for one test."""
    kept = {}

    def edit(name, pattern, replacement):
        path = written / name
        kept.setdefault(path, path.read_bytes())
        text, times = re.subn(pattern, replacement, path.read_text(), count=1)
        assert times == 1
        path.write_text(text)
        return written

    yield edit
    for path, content in kept.items():
        path.write_bytes(content)


def test_what_was_just_written_holds(written):
    result = verify(written)
    assert result.drifts == []
    assert result.checked > 700
    assert result.rendered == ["results.csv", "results.md", "results.tex", "report.html"]


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "said"),
    [
        (
            "results.csv",
            r"(bilinear,as_is,0,completed,[^,]*,[^,]*,[^,]*,[^,]*),[^,]*",
            r"\1,12.5",
            r"results.csv: line 2 is '.*12\.5.*', recomputed '",
        ),
        ("results.md", r"(\| max_unpool \| )\d", r"\g<1>9", r"results.md: line \d+ is '\| max_unpool \| 9"),
        ("results.tex", r"(max\\_unpool & )\d", r"\g<1>9", r"results.tex: line \d+ is 'max\\\\_unpool & 9"),
        ("results.tex", r"\\end\{tabular\}\n\Z", "", r"results.tex: line \d+ is '', recomputed '\\\\end\{tabular\}'"),
        (
            "report.html",
            r'(<data value=")[^"]*(" data-path="variants\tas_is\tarms\tbilinear\tscores\tmiou\tmean")',
            r"\g<1>1.5\2",
            r"report.html: line \d+ is '.*value=\"1.5\"",
        ),
        ("report.html", r'(scores\tmiou\tmean">)[^<]*', r"\g<1>88.8", r"report.html: line \d+ is '.*88\.8"),
        ("report.html", r'("deviation":)[\d.]+', r"\g<1>0.125", r"report.html: line \d+ is '.*\"deviation\":0.125"),
        (
            "runs/bilinear/1-as_is/metrics.json",
            r'("test/miou": )[\d.]+',
            r"\g<1>0.9",
            "test/miou is 0.9, recomputed 0.",
        ),
        ("runs/bilinear/1-as_is/metrics.json", r'("test/iou/pole": )[\d.]+', r"\g<1>0.9", "test/iou/pole is 0.9"),
    ],
)
def test_a_changed_number_is_named(change, name, pattern, replacement, said):
    drifts = [str(drift) for drift in verify(change(name, pattern, replacement)).drifts]
    assert len(drifts) == 1
    assert re.search(said, drifts[0]), drifts[0]


def test_a_changed_result_is_named_with_both_values(written, change):
    results = json.loads((written / "results.json").read_text())
    true = results["variants"]["matched"]["comparisons"]["miou"][0]["difference"]
    root = change("results.json", rf'("difference": ){re.escape(repr(true))}', rf"\g<1>{true + 0.01!r}")
    drift, *of_files = verify(root).drifts
    assert (drift.file, drift.stored, drift.recomputed) == (
        "results.json",
        pytest.approx(true + 0.01),
        pytest.approx(true),
    )
    assert drift.name.endswith("comparisons/miou/max_unpool/difference")
    assert "report.html" in {drift.file for drift in of_files}, "it shows the true value"


def test_other_counts_change_what_follows_from_them(written):
    path = written / "runs/max_unpool/0-as_is/scores/test.npz"
    kept = path.read_bytes()
    try:
        with np.load(path) as scores:
            arrays = dict(scores)
        arrays["confusions"][0, 0, 1] += 500
        np.savez_compressed(path, **arrays)
        drifts = [str(drift) for drift in verify(written).drifts]
    finally:
        path.write_bytes(kept)
    assert any(drift.startswith("results.json: variants/as_is/arms/max_unpool/scores/miou/mean is") for drift in drifts)
    assert any(drift.startswith("runs/max_unpool/0-as_is/metrics.json: test/miou") for drift in drifts)
    assert not any(drift.startswith(("results.csv", "report.html")) for drift in drifts), "they show what is stored"


def test_pictures_of_other_libraries_are_no_drift(change):
    """Base64 text stands for them; its bytes depend on the versions that encoded them."""
    assert verify(change("report.html", r'(id="plotly">)[A-Za-z0-9+/]{40}', r"\g<1>" + "A" * 50)).drifts == []


def test_a_renamed_folder_still_holds(written, tmp_path):
    moved = shutil.copytree(written, tmp_path / "elsewhere")
    assert verify(moved).drifts == []


def test_the_command_says_what_drifted_and_exits_with_1(written, change, capsys):
    work(compose([f"verify={written}"], "ablate"))
    assert re.search(r"[\d,]+ values computed and 4 files rendered again, none drifted", capsys.readouterr().out)
    change("runs/bilinear/1-as_is/metrics.json", r'("test/miou": )[\d.]+', r"\g<1>0.9")
    with pytest.raises(SystemExit) as ended:
        work(compose([f"verify={written}"], "ablate"))
    assert ended.value.code == 1
    assert re.search(r"test/miou is 0.9, recomputed 0\.\d+\n.*, 1 drifted", capsys.readouterr().out)


def test_the_command_writes_a_report_again(tmp_path, capsys):
    write_experiment(tmp_path, one_factor(bilinear=0.7, nearest=0.7))
    work(compose([f"report={tmp_path}"], "ablate"))
    assert f"report: {tmp_path / 'report.html'}" in capsys.readouterr().out
    assert verify(tmp_path).drifts == []


def test_without_results_there_is_nothing_to_verify(tmp_path):
    write_experiment(tmp_path, one_factor(bilinear=0.7, nearest=0.7))
    with pytest.raises(UserError, match=r"has no results.json: write it by segnet-ablate report="):
        verify(tmp_path)


def test_scores_that_are_gone_are_named(tmp_path):
    write_experiment(tmp_path, one_factor(bilinear=0.7, nearest=0.7))
    (tmp_path / "runs/nearest/1-as_is/scores/test.npz").unlink()
    with pytest.raises(UserError, match=r"nearest/1-as_is/scores/test.npz does not exist"):
        write_report(tmp_path)
