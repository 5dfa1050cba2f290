"""Do the intervals hold the truth as often as they say, and are there no more false verdicts than allowed?"""

import numpy as np
import pytest

from segnet.ablation.statistics import MIOU, class_measure, compare, estimate, groups_of, holm
from tests.ablation.statistics.simulated_arms import simulate

# Variances over seeds, and of what images do to every seed.
NOISES = [(1, 0), (1, 0.02), (1, 0.1), (1, 0.3), (1, 1), (0.1, 1), (0.01, 1)]
EXPERIMENTS = 10_000  # a standard error of 0.22% at 5%


def normal_experiments(random, seeds, variance, covariance, arms=1):
    """Values ``(experiments, arms, seeds)``, and image covariances known as well as some hundred images tell them."""
    shape = (EXPERIMENTS, arms)
    of_images = np.sqrt(covariance) * random.normal(size=(*shape, 1))
    values = of_images + np.sqrt(variance) * random.normal(size=(*shape, seeds))
    return values, np.maximum(covariance * (1 + 0.15 * random.normal(size=shape)), 0)


@pytest.mark.parametrize(("variance", "covariance"), NOISES)
def test_intervals_of_normal_noise_cover_the_truth(variance, covariance):
    random = np.random.default_rng(7)
    for seeds, most in ((2, 0.99), (3, 0.98), (5, 0.97), (10, 0.97)):
        values, known = normal_experiments(random, seeds, variance, covariance)
        low, high = estimate(1.3 + values, known).interval
        covered = np.mean((low <= 1.3) & (high >= 1.3))
        assert 0.94 <= covered <= most, f"{seeds} seeds"


@pytest.mark.parametrize(("variance", "covariance"), NOISES)
@pytest.mark.parametrize("seeds", [3, 5])
def test_a_family_of_comparisons_errs_in_5_percent_of_experiments_at_most(variance, covariance, seeds):
    """Four arms against one baseline, none different: the baseline's noise is common to the four differences."""
    random = np.random.default_rng(8)
    values, _ = normal_experiments(random, seeds, variance / 2, covariance / 2, arms=5)
    found = estimate(values[:, 1:] - values[:, :1], covariance)
    wrong = (holm(found.p_value) <= 0.05).any(-1).mean()
    assert 0.005 <= wrong <= 0.0544  # two standard errors above 5%
    uncorrected = (found.p_value <= 0.05).any(-1).mean()
    assert uncorrected > 0.08, "without the correction the family errs"


def experiments(number, seeds, images, seed_noise, image_noise, shifts, measure=MIOU, **more):
    random = np.random.default_rng(9)
    for _ in range(number):
        arms = simulate(random, shifts, seeds, images, seed_noise, image_noise, **more)
        yield compare(arms, measure, "a", resamples=200)


def check_confusions(number, seeds, images, seed_noise, image_noise, **more):
    """From confusion matrices to verdicts: two arms without a difference, and a third one."""
    found = list(experiments(number, seeds, images, seed_noise, image_noise, {"a": 0, "b": 0, "c": 0}, **more))
    wrong = np.mean([any(one.outcome != "none" for one in family) for family in found])
    intervals = np.array([one.interval for family in found for one in family])
    covered = np.mean((intervals[:, 0] <= 0) & (intervals[:, 1] >= 0))
    return wrong, covered


@pytest.mark.slow
@pytest.mark.parametrize(("seed_noise", "image_noise"), [(0.1, 0.3), (0.03, 0.6)])
def test_verdicts_from_confusion_matrices(seed_noise, image_noise):
    wrong, covered = check_confusions(300, 4, 50, seed_noise, image_noise)
    assert wrong <= 0.05
    assert 0.93 <= covered <= 0.98  # with 50 images of very unequal areas, degrees of freedom are few


FILMS = np.repeat(["a", "b"], [62, 171])  # as many frames as the two films of CamVid's test split have


@pytest.mark.slow
@pytest.mark.parametrize(("correlation", "most"), [(0.5, 0.068), (0.75, 0.1)])  # two standard errors above 5% and 8%
@pytest.mark.parametrize("seed_noise", [0.1, 0.02])
def test_frames_of_a_film_are_resampled_in_blocks(correlation, most, seed_noise):
    """The seeds agree well: what the images do decides. Some 20 blocks are few: in docs/statistics.md 8% remain."""
    noise = {"groups": FILMS, "correlation": correlation}
    wrong, covered = check_confusions(600, 3, 233, seed_noise, 0.6, **noise)
    assert wrong <= most
    assert 0.9 <= covered <= 0.98  # two standard errors below 92%


@pytest.mark.slow
def test_frames_that_are_resampled_alone_give_false_verdicts(monkeypatch):
    """Why blocks are needed: this is how often verdicts err without."""
    monkeypatch.setattr("segnet.ablation.statistics.scoring.groups_of", lambda names: groups_of(np.arange(len(names))))
    wrong, covered = check_confusions(300, 3, 233, 0.02, 0.6, groups=FILMS, correlation=0.75)
    assert wrong > 0.1
    assert covered < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("measure", [MIOU, class_measure(2, "rare")])
def test_a_class_in_4_of_100_images_gives_few_false_verdicts(measure):
    wrong, covered = check_confusions(600, 3, 100, 0.02, 0.6, measure=measure, carrying=4)
    assert wrong <= 0.068
    assert covered >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("seed_noise", "image_noise"), [(0.3, 0), (0.1, 0.3), (0.03, 0.6), (0.01, 1)])
def test_verdicts_from_many_confusion_matrices(seeds, seed_noise, image_noise):
    """On 200 images: on 50 of so unequal areas the bootstrap cannot see all that other images would do."""
    wrong, covered = check_confusions(1000, seeds, 200, seed_noise, image_noise)
    assert wrong <= 0.064  # two standard errors above 5%
    assert 0.93 <= covered <= (0.99 if seeds == 2 else 0.98 if seeds == 3 else 0.97)


@pytest.mark.slow
def test_the_interval_of_a_true_difference_covers_it():
    """The truth is the mean difference of many runs on many images."""
    random, shifts = np.random.default_rng(10), {"a": 0, "b": 0.4}
    truth = compare(simulate(random, shifts, 60, 20_000, 0.1, 0.3), MIOU, resamples=2)[0].difference
    found = [family[0] for family in experiments(2000, 5, 50, 0.1, 0.3, shifts)]
    covered = np.mean([one.interval.low <= truth <= one.interval.high for one in found])
    assert 0.93 <= covered <= 0.97
    assert np.mean([one.outcome == "better" for one in found]) > 0.5
