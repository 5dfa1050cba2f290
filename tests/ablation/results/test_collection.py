"""The numbers of an experiment's results against plain loops, and experiments that are not whole."""

import json
from dataclasses import replace
from itertools import product
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np
import pytest

from segnet.ablation.results.collection import collect, plain_values
from segnet.ablation.results.curves import band
from segnet.ablation.results.experiment_folder import read_experiment
from segnet.ablation.results.records import Results
from segnet.errors import UserError
from segnet.metrics import read_scores
from tests.synthetic_experiment import Synthetic, one_factor, write_experiment

RESAMPLES = 50
FACTORIAL = {f"{u}+{s}": {"upsampler": u, "skip": s} for u, s in product(("bilinear", "nearest"), ("none", "add"))}


def collected(tmp_path, made):
    return collect(read_experiment(write_experiment(tmp_path / "made", made)), RESAMPLES)


def naive_miou(path):
    """The mean IoU in points, pixel class by pixel class."""
    with np.load(path) as scores:
        matrix = sum(scores["confusions"].tolist()[1:], start=scores["confusions"][0])
    ious = []
    for label in range(len(matrix)):
        hits = int(matrix[label][label])
        union = sum(int(matrix[label][other]) + int(matrix[other][label]) for other in range(len(matrix))) - hits
        if union:
            ious.append(hits / union)
    return 100 * sum(ious) / len(ious)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    made = one_factor(bilinear=0.7, nearest=0.7, max_unpool=0.8)
    write_experiment(root, made)
    return root, collect(read_experiment(root), RESAMPLES)


def test_scores_and_differences_are_those_of_the_counts(whole):
    root, results = whole
    variant = results["variants"]["as_is"]
    values = {}
    for run in variant["runs"]:
        values[run["arm"], run["seed"]] = naive_miou(root / run["folder"] / "scores" / "test.npz")
        assert run["miou"] == pytest.approx(values[run["arm"], run["seed"]])
    for arm, one in variant["arms"].items():
        of_arm = [values[arm, seed] for seed in (0, 1, 2)]
        assert one["scores"]["miou"]["mean"] == pytest.approx(np.mean(of_arm))
        assert list(one["scores"]["miou"]["values"].values()) == pytest.approx(of_arm)
        low, high = one["scores"]["miou"]["interval"]
        assert low < np.mean(of_arm) < high
    found = {one["arm"]: one for one in variant["comparisons"]["miou"]}
    assert list(found) == ["nearest", "max_unpool"]
    paired = [values["max_unpool", seed] - values["bilinear", seed] for seed in (0, 1, 2)]
    assert found["max_unpool"]["difference"] == pytest.approx(np.mean(paired))
    assert found["max_unpool"]["verdict"].startswith("max_unpool is better than bilinear by")
    assert len(variant["pairs"]) == 3
    assert variant["groups"] == 2
    assert found["max_unpool"]["block_length"] >= 1
    assert set(variant["classes"]) == {"background", "pole", "disc", "polygon"}
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def check_shape(value, shape, place="results"):
    """Check that nested values have the keys and the types that a TypedDict declares."""
    if is_typeddict(shape):
        hints = get_type_hints(shape)
        assert shape.__required_keys__ <= set(value) <= set(hints), place
        for key, item in value.items():
            check_shape(item, hints[key], f"{place}/{key}")
    elif get_origin(shape) is dict:
        for key, item in value.items():
            assert isinstance(key, str), place
            check_shape(item, get_args(shape)[1], f"{place}/{key}")
    elif get_origin(shape) is list:
        for number, item in enumerate(value):
            check_shape(item, get_args(shape)[0], f"{place}/{number}")
    elif isinstance(shape, UnionType):
        options = [option for option in get_args(shape) if (option is NoneType) == (value is None)]
        assert options, f"{place} is {value!r}, not {shape}"
        if value is not None and len(options) == 1:
            check_shape(value, options[0], place)
    elif shape is not Any:
        assert isinstance(value, (int, float) if shape is float else shape), f"{place} is {value!r}, not {shape}"


@pytest.mark.parametrize("factorial", [False, True])
def test_results_are_what_their_types_say(whole, tmp_path, factorial):
    quality = dict.fromkeys(FACTORIAL, 0.7)
    made = replace(Synthetic(FACTORIAL, quality), fusion=True, status={("nearest+add", 0): "failed"})
    check_shape(collected(tmp_path, made) if factorial else whole[1], Results)


def test_the_front_holds_the_arms_that_none_beats(whole):
    variant = whole[1]["variants"]["as_is"]
    for cost, front in variant["front"].items():
        points = {arm: (one["costs"][cost], one["scores"]["miou"]["mean"]) for arm, one in variant["arms"].items()}
        for arm, (spent, score) in points.items():
            beaten = [
                other
                for other, (cheaper, better) in points.items()
                if (cheaper < spent and better >= score) or (cheaper <= spent and better > score)
            ]
            assert (arm in front) == (not beaten), cost
        assert [points[arm][0] for arm in front] == sorted(points[arm][0] for arm in front)


def test_curves_hold_mean_and_range_over_the_seeds(whole):
    root, results = whole
    learning = results["variants"]["as_is"]["arms"]["nearest"]["learning"]
    seeds = []
    for seed in (0, 1, 2):
        lines = (root / f"runs/nearest/{seed}-as_is/history.csv").read_text().splitlines()
        column = lines[0].split(",").index("val/miou")
        seeds.append([100 * float(line.split(",")[column]) for line in lines[1:]])
    assert learning["epoch"] == [1, 2, 3, 4, 5]
    assert learning["val/miou"]["mean"] == pytest.approx(np.mean(seeds, 0))
    assert learning["val/miou"]["low"] == pytest.approx(np.min(seeds, 0))
    assert learning["val/miou"]["high"] == pytest.approx(np.max(seeds, 0))
    assert results["variants"]["as_is"]["arms"]["nearest"]["fusion"] == {}


def test_fusion_weights_are_collected_where_arms_have_them(tmp_path):
    made = replace(one_factor(sum=0.7, linear=0.7), fusion=True)
    fusion = collected(tmp_path, made)["variants"]["as_is"]["arms"]["linear"]["fusion"]
    assert list(fusion) == ["encoder.stages.0/regular", "encoder.stages.0/atrous"]
    assert fusion["encoder.stages.0/regular"]["mean"][0] == 1


def test_failed_and_missing_runs_leave_the_rest(tmp_path):
    status = {
        ("nearest", 1): "failed",
        ("max_unpool", 0): "killed",
        ("max_unpool", 1): "failed",
        ("max_unpool", 2): "pending",
    }
    results = collected(tmp_path, replace(one_factor(bilinear=0.7, nearest=0.75, max_unpool=0.8), status=status))
    variant = results["variants"]["as_is"]
    assert results["status"] == "incomplete"
    assert [one["arm"] for one in variant["comparisons"]["miou"]] == ["nearest"]
    assert list(variant["comparisons"]["miou"][0]["differences"]) == ["0", "2"]
    assert variant["arms"]["max_unpool"]["scores"]["miou"] is None
    assert variant["arms"]["max_unpool"]["trimap"] == {}
    assert [run["status"] for run in variant["runs"] if run["arm"] == "max_unpool"] == ["killed", "failed", "pending"]
    assert "miou" not in next(run for run in variant["runs"] if run["status"] == "failed")
    assert variant["comparisons"]["miou"][0]["verdict"].endswith("; nearest lacks runs: seed 1 failed")
    assert variant["without_runs"] == [
        "no verdict on max_unpool: none of its runs is completed (seed 0 killed, seed 1 failed, seed 2 pending)"
    ]


def test_a_run_that_diverged_is_flagged_and_the_verdict_without_it_given(tmp_path):
    made = replace(one_factor(bilinear=0.7, nearest=0.7, max_unpool=0.8), seeds=range(5))
    root = write_experiment(tmp_path / "made", made)
    whole = collect(read_experiment(root), RESAMPLES)["variants"]["as_is"]
    assert whole["outliers"] == []
    path = next(root.glob("runs/max_unpool/3-*/scores/test.npz"))
    scores = read_scores(path)
    replace(scores, confusions=scores.confusions[:, :, [1, 2, 3, 0]]).write(path)
    variant = collect(read_experiment(root), RESAMPLES)["variants"]["as_is"]
    assert [(outlier["arm"], outlier["seed"]) for outlier in variant["outliers"]] == [("max_unpool", 3)]
    nearest, max_unpool = variant["comparisons"]["miou"]
    assert "outlier" not in nearest["verdict"]
    assert max_unpool["outcome"] == "none"
    assert "; without the outlier max_unpool, seed 3 (" in max_unpool["verdict"]
    assert "): max_unpool is better than bilinear by" in max_unpool["verdict"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({("bilinear", 0): "failed"}, "no run of the baseline bilinear is completed"),
        ({("nearest", 0): "failed"}, "only one arm has completed runs"),
        ({("bilinear", 0): "failed", ("nearest", 0): "failed"}, "no run is completed"),
    ],
)
def test_what_cannot_be_compared_is_said(tmp_path, status, reason):
    made = replace(one_factor(bilinear=0.7, nearest=0.75), seeds=(0,), status=status)
    variant = collected(tmp_path, made)["variants"]["as_is"]
    assert variant["skipped"] == reason
    assert variant["comparisons"] == {}


def test_one_seed_gives_no_verdict(tmp_path):
    variant = collected(tmp_path, replace(one_factor(bilinear=0.7, nearest=0.75), seeds=(4,)))["variants"]["as_is"]
    assert variant["comparisons"]["miou"][0]["outcome"] == "no verdict"
    assert variant["arms"]["nearest"]["scores"]["miou"]["interval"] == [None, None]


def test_effects_of_two_factors_are_contrasts_of_the_arms(tmp_path):
    quality = dict(zip(FACTORIAL, (0.6, 0.7, 0.65, 0.85), strict=True))
    results = collected(tmp_path, Synthetic(FACTORIAL, quality))
    assert results["factors"] == {"upsampler": ["bilinear", "nearest"], "skip": ["none", "add"]}
    variant = results["variants"]["as_is"]
    mean = {arm: one["scores"]["miou"]["mean"] for arm, one in variant["arms"].items()}
    upsampler, skip, together = variant["effects"]
    assert (upsampler["kind"], upsampler["level"], upsampler["reference"]) == ("main", "nearest", "bilinear")
    rows = mean["nearest+none"] + mean["nearest+add"] - mean["bilinear+none"] - mean["bilinear+add"]
    assert upsampler["effect"] == pytest.approx(rows / 2)
    columns = mean["nearest+add"] + mean["bilinear+add"] - mean["nearest+none"] - mean["bilinear+none"]
    assert skip["effect"] == pytest.approx(columns / 2)
    both = mean["nearest+add"] - mean["bilinear+add"] - mean["nearest+none"] + mean["bilinear+none"]
    assert together["effect"] == pytest.approx(both)
    assert together["interval"][0] < both < together["interval"][1]
    assert together["p_holm"] < 0.05
    assert all(one["seeds"] == 3 for one in variant["effects"])


def test_an_effect_without_all_of_its_arms_is_left_out(tmp_path):
    quality = dict.fromkeys(FACTORIAL, 0.7)
    status = {("nearest+add", seed): "failed" for seed in (0, 1, 2)}
    assert collected(tmp_path, Synthetic(FACTORIAL, quality, status=status))["variants"]["as_is"]["effects"] == []


def test_a_band_of_curves():
    found = band([np.array([1.0, 4.0]), np.array([3.0, 2.0])])
    assert found == {"mean": [2, 3], "low": [1, 2], "high": [3, 4]}


def test_plain_values():
    given = {1: np.float64("nan"), "a": (2, [0.5]), "b": float("inf")}
    assert plain_values(given) == {"1": None, "a": [2, [0.5]], "b": None}


def test_a_folder_that_is_no_experiment_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is not an experiment folder: it has no experiment.json"):
        read_experiment(tmp_path)
    (tmp_path / "experiment.json").write_text("{")
    (tmp_path / "plan.yaml").write_text("arms: {}")
    with pytest.raises(UserError, match="is not whole"):
        read_experiment(tmp_path)


def test_a_measure_with_nothing_to_score_gives_no_verdict(tmp_path):
    root = write_experiment(tmp_path, one_factor(bilinear=0.7, nearest=0.75))
    for path in root.glob("runs/*/*/scores/test.npz"):
        scores = read_scores(path)
        replace(scores, boundary_f1=0 * scores.boundary_f1, small_objects=0 * scores.small_objects).write(path)
    variant = collect(read_experiment(root), RESAMPLES)["variants"]["as_is"]
    for key, name in (("boundary_f1", "boundary F1"), ("small_object_iou", "small-object IoU")):
        (found,) = variant["comparisons"][key]
        assert (found["outcome"], found["difference"], found["p_holm"]) == ("no verdict", None, None)
        assert found["verdict"] == f"no verdict on nearest and bilinear: {name} is not defined on these images"
    assert variant["comparisons"]["miou"][0]["outcome"] == "better"
