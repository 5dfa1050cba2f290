"""Estimates, intervals, power and the bootstrap, against formulas, naive loops and simulations."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from segnet.ablation.statistics import (
    MIOU,
    Blocks,
    analyse_design,
    bootstrap_values,
    compare,
    effect_size,
    estimate,
    groups_of,
    holm,
    image_covariance,
    image_interval,
    influences,
    power,
    seeds_to_detect,
    smallest_detectable,
)
from segnet.metrics import class_counts, mean_iou, scores
from tests.ablation.statistics.simulated_arms import arms_with


def random_confusions(seed, *shape, classes=4):
    return np.random.default_rng(seed).integers(0, 50, size=(*shape, classes, classes))


def test_without_image_noise_it_is_student_s_t():
    values = np.array([0.3, 1.9, 1.1, 2.2, 0.7])
    found, expected = estimate(values), stats.ttest_1samp(values, 0)
    assert (found.mean, found.deviation) == pytest.approx((values.mean(), values.std(ddof=1)))
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert estimate(values, confidence=0.9).interval == pytest.approx(tuple(expected.confidence_interval(0.9)))


def test_image_noise_alone_is_normal():
    found = estimate(np.array([1.5, 1.5, 1.5]), covariance=0.25)
    assert found.deviation == 0
    assert found.interval == pytest.approx((1.5 - 1.959964 * 0.5, 1.5 + 1.959964 * 0.5))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(3))


def test_both_noises_add_in_squares():
    """Howe's interval: t(4) = 2.776445 for the seeds, z = 1.959964 for the images."""
    values = np.array([0.0, 1, 2, 3, 4])
    half = math.hypot(2.776445 * math.sqrt(2.5 / 5), 1.959964 * 0.6)
    assert estimate(values, 0.36).interval == pytest.approx((2 - half, 2 + half), rel=1e-6)


def test_the_p_value_is_the_level_at_which_the_interval_ends_at_0():
    random = np.random.default_rng(0)
    for covariance in (0.0, 0.01, 0.5):
        found = estimate(random.normal(0.8, 1, size=(20, 4)), covariance)
        for number in range(20):
            again = estimate(random.normal(size=4), covariance)
            ends = interval_at(found, number, covariance, 1 - found.p_value[number])
            assert min(map(abs, ends)) < 1e-6
            low, high = again.float_interval()
            assert (again.p_value < 0.05) == (low > 0 or high < 0)


def interval_at(found, number, covariance, confidence):
    """The interval of another confidence for values with the mean and deviation of an estimate."""
    spread = np.array([-1.0, -1, 1, 1]) * found.deviation[number] * math.sqrt(3 / 4)
    return estimate(found.mean[number] + spread, covariance, confidence).interval


def test_one_seed_and_no_seed_give_a_mean_at_most():
    found = estimate(np.array([1.9]), covariance=0.3)
    assert found.mean == 1.9
    assert all(math.isnan(value) for value in (found.deviation, *found.interval, found.p_value))
    assert math.isnan(estimate(np.array([])).mean)


def test_two_seeds_have_the_wide_interval_that_they_deserve():
    assert estimate(np.array([1.0, 2.0])).interval == pytest.approx((1.5 - 12.7062 / 2, 1.5 + 12.7062 / 2), rel=1e-5)


def test_no_noise_at_all_is_no_evidence():
    assert estimate(np.array([0.0, 0.0])).p_value == 1
    assert math.isnan(estimate(np.array([0.1, 0.1, 0.1])).p_value)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9, 0.001, 0.02]).tolist() == pytest.approx([1, 1, 0.004, 0.06])
    assert holm([0.03]).tolist() == [0.03]
    corrected = holm([math.nan, 0.01, 0.04])
    assert math.isnan(corrected[0])
    assert corrected[1:].tolist() == pytest.approx([0.02, 0.04])


def test_effect_size_by_hand():
    """Hedges' factor for 4 degrees is 0.7979; mean 2, deviation sqrt(2.5)."""
    assert effect_size([0, 1, 2, 3, 4]) == pytest.approx(0.7978846 * 2 / math.sqrt(2.5))
    assert math.isnan(effect_size([1, 1, 1]))
    assert math.isnan(effect_size([1, 2]))


def test_the_numpy_scores_are_those_of_the_metrics():
    for matrix in (random_confusions(0), np.diag([3, 5, 0, 0]), np.diag([3, 0, 5, 1]) + np.eye(4, k=1, dtype=int)):
        assert mean_iou(class_counts(matrix)) == pytest.approx(scores(torch.from_numpy(matrix)).miou, abs=1e-15)
    assert math.isnan(mean_iou(np.zeros((3, 4))))


def test_the_bootstrap_is_the_naive_one():
    """Every resample scored by the metrics from the images that were drawn."""
    confusions = random_confusions(1, 2, 3, 7)
    values = bootstrap_values(class_counts(confusions), mean_iou, resamples=20, seed=5)
    assert values.shape == (20, 2, 3)
    drawn = np.random.default_rng(5).integers(7, size=(20, 7))
    for number, images in enumerate(drawn):
        for arm, seed in np.ndindex(2, 3):
            total = torch.from_numpy(sum(confusions[arm, seed, image] for image in images))
            assert values[number, arm, seed] == pytest.approx(scores(total).miou, abs=1e-14)


def test_the_bootstrap_is_the_same_however_it_is_cut(monkeypatch):
    counts = class_counts(random_confusions(2, 2, 9))
    whole = bootstrap_values(counts, mean_iou, resamples=50)
    monkeypatch.setattr("segnet.resampling.bootstrap.CHUNK_NUMBERS", 9 * 24 * 2)
    assert np.array_equal(bootstrap_values(counts, mean_iou, resamples=50), whole)


def test_the_block_bootstrap_is_the_naive_one():
    """Blocks of three neighbours, begun anywhere, round the end of their film; the last one is cut."""
    confusions = random_confusions(1, 1, 7)
    names = ["b", "a", "b", "a", "b", "b", "b"]  # the films lie mixed in the split
    films = {"a": [1, 3], "b": [0, 2, 4, 5, 6]}
    values = bootstrap_values(class_counts(confusions), mean_iou, 20, 5, Blocks(groups_of(names), 3))
    for number, starts in enumerate(np.random.default_rng(5).integers(7, size=(20, 4))):
        drawn = []
        for start in starts:
            film = films[names[start]]
            drawn += [film[(film.index(start) + step) % len(film)] for step in range(min(3, len(film)))]
        total = torch.from_numpy(sum(confusions[0, image] for image in drawn[:7]))
        assert values[number, 0] == pytest.approx(scores(total).miou, abs=1e-14)


def test_influences_are_those_of_the_jackknife():
    values = np.array([3.0, 5.0, 10.0])
    found = influences(values[:, None, None], lambda sums: sums[..., 0, 0])
    assert found.tolist() == pytest.approx([6, 10, 20])  # (n - 1) times what the sum loses without the image
    confusions = random_confusions(6, 5)
    found = influences(class_counts(confusions), mean_iou)
    for image in range(5):
        without = torch.from_numpy(np.delete(confusions, image, 0).sum(0))
        expected = 4 * (scores(torch.from_numpy(confusions.sum(0))).miou - scores(without).miou)
        assert found[image] == pytest.approx(expected, abs=1e-12)


def test_image_covariance_is_the_mean_over_pairs_of_seeds():
    random = np.random.default_rng(3)
    values = random.normal(size=(200, 4)) + random.normal(size=(200, 1))
    matrix = np.cov(values.T)
    expected = matrix[~np.eye(4, dtype=bool)].mean() * 10 / 9
    assert image_covariance(values, 10) == pytest.approx(expected)
    assert image_covariance(values[:, :1], 10) == pytest.approx(matrix[0, 0] * 10 / 9)
    opposed = np.stack([values[:, 0], -values[:, 0]], axis=1)
    assert image_covariance(opposed, 10) == 0


def test_the_image_interval_covers_95_percent_of_the_resamples():
    values = np.random.default_rng(4).normal(size=(10_000, 1))
    assert image_interval(values) == pytest.approx((-1.96, 1.96), abs=0.06)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_power_without_image_noise_is_that_of_the_t_test(seeds):
    for difference in (0.0, 0.5, 1.5):
        shift, limit = difference * math.sqrt(seeds) / 0.8, stats.t.ppf(0.975, seeds - 1)
        expected = stats.nct.sf(limit, seeds - 1, shift) + stats.nct.cdf(-limit, seeds - 1, shift)
        assert power(difference, seeds, 0.8) == pytest.approx(expected, abs=2e-3)


def test_power_is_what_a_simulation_finds():
    random = np.random.default_rng(6)
    values = 1.2 + random.normal(size=(20_000, 4)) + 0.3 * random.normal(size=(20_000, 1))
    found = np.mean(estimate(values, 0.09).p_value <= 0.05)
    assert power(1.2, 4, 1.0, 0.09) == pytest.approx(found, abs=0.012)


def test_the_design_is_what_gelman_and_carlin_compute():
    """Their example of beauty and sex ratio: a true 0.1, a standard error of 3.3: 5.0%, 46%, 77 times."""
    design = analyse_design(0.1, 1001, 3.3 * math.sqrt(1001))
    assert design.power == pytest.approx(0.05, abs=0.001)
    assert design.wrong_sign == pytest.approx(0.46, abs=0.01)
    assert design.exaggeration == pytest.approx(77, abs=1.5)
    assert power(0.7, 5, 0.8, 0.02) == pytest.approx(analyse_design(0.7, 5, 0.8, 0.02).power)
    assert math.isnan(analyse_design(0.5, 1, math.nan).power)


def test_the_design_is_what_a_simulation_finds():
    random = np.random.default_rng(8)
    values = 0.5 + random.normal(size=(100_000, 3)) + 0.3 * random.normal(size=(100_000, 1))
    found = estimate(values, 0.09)
    claimed = found.mean[found.p_value <= 0.05]
    design = analyse_design(0.5, 3, 1.0, 0.09)
    assert design.power == pytest.approx(len(claimed) / 100_000, abs=0.005)
    assert design.wrong_sign == pytest.approx(np.mean(claimed < 0), abs=0.03)
    assert design.exaggeration == pytest.approx(np.mean(abs(claimed)) / 0.5, rel=0.05)


def test_a_claim_is_false_with_half_the_p_value():
    """With a flat prior, for seeds alone: Student's t below 0, as Christodoulou et al. (2025) have it for images."""
    found = compare(arms_with(3, 4, 5, 3), MIOU)[0]
    t = found.difference * 2 / found.deviation
    assert found.false_claim == pytest.approx(stats.t.cdf(-t, 3), rel=1e-3)
    assert 0 < found.power < 1 < found.exaggeration


def test_what_can_be_seen_and_the_seeds_for_it_undo_each_other():
    for seeds in (2, 3, 6, 20):
        smallest = smallest_detectable(seeds, 0.8, 0.02)
        assert power(smallest, seeds, 0.8, 0.02) == pytest.approx(0.8, abs=1e-4)
        assert seeds_to_detect(smallest * 1.001, 0.8, 0.02) == seeds
    assert seeds_to_detect(0.5, 0.8) == 23  # (1.96 + 0.84)^2 * 0.8^2 / 0.5^2 = 20.1 for the normal distribution
    assert seeds_to_detect(0.5, 0.8, covariance=0.1) is None, "2.8 * sqrt(0.1) is above 0.5: no seeds are enough"
    assert math.isnan(smallest_detectable(1, math.nan))
