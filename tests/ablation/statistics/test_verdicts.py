"""Verdicts: what is compared with what, and the sentence about it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from segnet.ablation.report.text import interval
from segnet.ablation.statistics import (
    MIOU,
    Interval,
    Outlier,
    compare,
    find_outliers,
    read_arms,
    summarise_arms,
    verdict_sentence,
)
from segnet.errors import UserError
from tests.ablation.statistics.simulated_arms import arms_with, image_scores, simulate


def test_the_sentence_of_a_difference():
    forth, back = compare(arms_with(3, 4, 5, 3), MIOU)[0], compare(arms_with(3, 4, 5, 3), MIOU, "max_unpool")[0]
    assert forth.outcome == "better"
    low, high = forth.interval
    assert verdict_sentence(forth) == (
        f"max_unpool is better than bilinear by {forth.difference:.1f} mIoU [{low:.1f}, {high:.1f}]"
    )
    assert back.outcome == "worse"
    assert verdict_sentence(back) == (
        f"bilinear is worse than max_unpool by {forth.difference:.1f} mIoU [{low:.1f}, {high:.1f}]"
    )
    assert forth.difference == pytest.approx(np.mean(list(forth.differences.values())))
    assert forth.p_value == forth.p_holm < 0.05


def test_an_interval_that_leaves_out_0_does_not_end_at_0_by_rounding():
    found = replace(compare(arms_with(3, 4, 5, 3), MIOU)[0], interval=Interval(0.004, 2.03))
    assert verdict_sentence(found).endswith("[0.004, 2.030]")
    assert interval([0.004, 2.03], signed=True) == "[+0.004, +2.030]"
    assert interval([-0.004, 2.03]) == "[0.0, 2.0]", "this one holds 0"
    worse = replace(found, outcome="worse", difference=-1.0, interval=Interval(-2.0, -0.03))
    assert verdict_sentence(worse).endswith("[0.03, 2.00]")


def test_intervals_of_scores_end_at_0_and_100():
    low, high = summarise_arms(arms_with(-49.5, 49.5), MIOU)[1].interval
    assert (low, high) == (0, 100)
    far = compare(arms_with(-49.5, 49.5), MIOU)[0].interval
    assert far.low < -100, "a difference is no score"


def test_an_outlier_is_far_from_its_arm_by_the_spread_of_all():
    good = {"a": {0: 60.1, 1: 61.0, 2: 60.5}, "b": {0: 65.2, 1: 65.9, 2: 64.8, 3: 65.0}}
    assert find_outliers(good) == []
    good["a"][1] = 12.0
    assert find_outliers(good) == [Outlier("a", 1, 12.0, 60.1)]
    close = {"a": {0: 60.0, 1: 60.01, 2: 60.02, 3: 62.9}}
    assert find_outliers(close) == [], "less than 3 points"
    assert find_outliers({"a": {0: 60.0, 1: 10.0}}) == [], "nobody can say which of two is wrong"


def test_the_sentence_of_no_difference():
    found = compare(arms_with(1, -1, 2, -2, 0.5), MIOU)[0]
    assert found.outcome == "none"
    assert verdict_sentence(found) == (
        f"no difference detected between max_unpool and bilinear with 5 seeds; differences below "
        f"{found.smallest_detectable:.1f} mIoU cannot be seen"
    )
    assert found.seeds_needed > 5


def test_a_difference_that_the_correction_takes_away_is_said_so():
    arms = arms_with(1.0, 2.6, 2.4, 0.4, 1.5)
    arms |= {f"other{number}": arms["bilinear"] for number in range(4)}
    found = next(c for c in compare(arms, MIOU, "bilinear") if c.arm == "max_unpool")
    assert found.p_value < 0.05 < found.p_holm == pytest.approx(5 * found.p_value)
    assert found.outcome == "none"
    assert "with 5 seeds: +" in verdict_sentence(found)
    assert "is not enough among 5 comparisons; differences below" in verdict_sentence(found)


def test_one_seed_gets_no_verdict():
    found = compare(arms_with(5), MIOU)[0]
    assert found.outcome == "no verdict"
    assert verdict_sentence(found).startswith(
        "no verdict on max_unpool and bilinear: one seed shows no noise between trainings"
    )
    assert math.isnan(found.p_holm)
    assert found.seeds_needed is None


def test_seeds_that_change_nothing_get_no_verdict():
    found = compare(arms_with(5, 5, 5), MIOU)[0]
    assert found.outcome == "no verdict"
    assert "all 3 seeds differ by exactly the same" in verdict_sentence(found)
    same = compare(arms_with(0, 0, 0), MIOU)[0]
    assert same.outcome == "none"
    assert verdict_sentence(same) == "no difference between max_unpool and bilinear: the same mIoU with each of 3 seeds"


def test_only_seeds_that_both_have_are_paired():
    arms = arms_with(3, 4, 5, 3)
    del arms["bilinear"][0]
    arms["max_unpool"] = dict(reversed(arms["max_unpool"].items()))
    found = compare(arms, MIOU)[0]
    whole = compare(arms_with(3, 4, 5, 3), MIOU)[0]
    assert found.differences == {seed: whole.differences[seed] for seed in (3, 2, 1)}
    del arms["max_unpool"][1], arms["max_unpool"][2], arms["max_unpool"][3]
    nothing = compare(arms, MIOU)[0]
    assert verdict_sentence(nothing) == "no verdict on max_unpool and bilinear: no seed was trained with both"
    assert math.isnan(nothing.difference)


def test_all_pairs_or_those_with_the_baseline():
    arms = simulate(np.random.default_rng(0), dict.fromkeys("abcd", 0), 3, 20, 0.1, 0.1)
    assert len(compare(arms, MIOU, resamples=50)) == 6
    found = compare(arms, MIOU, "c", resamples=50)
    assert [(one.arm, one.baseline) for one in found] == [("a", "c"), ("b", "c"), ("d", "c")]
    with pytest.raises(UserError, match=r"no arm 'e' to be the baseline: choose one of a, b, c, d"):
        compare(arms, MIOU, "e")


def test_pairing_takes_away_what_seeds_and_images_do_to_both_arms():
    """Hard images and good seeds are common to both arms here; the difference is 4.8 points for every image."""
    random, arms = np.random.default_rng(1), {"a": {}, "b": {}}
    for seed in range(4):
        luck = random.integers(-200, 200)
        for arm, shift in (("a", 0), ("b", 60)):
            hits = np.random.default_rng(2).integers(300, 700, size=30) + luck + shift
            missed = 1000 - hits
            arms[arm][seed] = image_scores(np.stack([hits, missed, missed, hits], -1).reshape(30, 2, 2))
    found = compare(arms, MIOU)[0]
    summary = summarise_arms(arms, MIOU)[1]
    assert summary.arm == "b"
    assert summary.mean == pytest.approx(np.mean(list(summary.values.values())))
    width = found.interval.high - found.interval.low
    assert width < 0.3 * (summary.interval.high - summary.interval.low)
    assert summary.interval.low < summary.seed_interval.low


def test_scores_of_different_images_are_not_compared(tmp_path):
    files = {"a": {0: tmp_path / "a.npz"}, "b": {0: tmp_path / "b.npz"}}
    arms = simulate(np.random.default_rng(0), {"a": 0}, 1, 5, 0.1, 0.1)
    arms["a"][0].write(files["a"][0])
    arms["a"][0].write(files["b"][0])
    read = read_arms(files)
    assert np.array_equal(read["b"][0].confusions, arms["a"][0].confusions)
    simulate(np.random.default_rng(0), {"b": 0}, 1, 6, 0.1, 0.1)["b"][0].write(files["b"][0])
    with pytest.raises(UserError, match=r"b\.npz and .*a\.npz score different images"):
        read_arms(files)
    files["b"][0].write_bytes(files["a"][0].read_bytes()[:-300])
    with pytest.raises(UserError, match=r"b\.npz is not a file of scores .*: train the run again"):
        read_arms(files)
    files["b"][0].unlink()
    with pytest.raises(UserError, match=r"b\.npz does not exist: train the run to its end"):
        read_arms(files)


def test_an_interval_is_a_pair():
    assert Interval(1, 2) == (1, 2)
