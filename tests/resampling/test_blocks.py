import math

import numpy as np
import pytest

from segnet.ablation.statistics import MIOU, Blocks, choose_blocks, compare, groups_of, optimal_length
from tests.ablation.statistics.simulated_arms import simulate


def autoregressive(random, coefficient, number):
    values = random.standard_normal(number)
    for place in range(1, number):
        values[place] += coefficient * values[place - 1]
    return values


def test_the_length_is_that_of_the_arch_package():
    """The series and the value (circular bootstrap) of arch's own test of ``optimal_block_length``."""
    values = autoregressive(np.random.RandomState(0), 0.3, 10_100)[100:]
    assert optimal_length(groups_of(np.zeros(10_000)), [values]) == pytest.approx(15.60894, rel=1e-6)


def naive_length(values):
    """Politis & White 2004 with the correction of 2009, sum by sum, of one series."""
    n, mean = len(values), sum(values) / len(values)

    def covariance(lag):
        return sum((values[t] - mean) * (values[t + lag] - mean) for t in range(n - lag)) / n

    def correlation(lag):
        before = sum((values[t] - mean) ** 2 for t in range(n - lag))
        after = sum((values[t] - mean) ** 2 for t in range(lag, n))
        return n * covariance(lag) / math.sqrt(before * after)

    most = math.ceil(math.sqrt(n)) + 5
    bound = 2 * math.sqrt(math.log10(n) / n)
    first = 1
    while not all(abs(correlation(lag)) < bound for lag in range(first, first + 5)):
        first += 1
    m = min(2 * first, most)
    g = s = 0.0
    for k in range(-m, m + 1):
        window = min(1.0, 2 * (1 - abs(k) / m))
        g += window * abs(k) * covariance(abs(k))
        s += window * covariance(abs(k))
    return (2 * g**2 / (4 / 3 * s**2)) ** (1 / 3) * n ** (1 / 3)


@pytest.mark.parametrize("seed", range(4))
def test_the_length_is_the_naive_one(seed):
    values = autoregressive(np.random.default_rng(seed), 0.6, 150)
    assert optimal_length(groups_of(["film"] * 150), [values]) == pytest.approx(naive_length(values), rel=1e-9)
    assert optimal_length(groups_of(["film"] * 150), [7 * values + 3]) == pytest.approx(naive_length(values), rel=1e-9)


def test_pairs_of_two_groups_do_not_count():
    """Two films, mixed in the split: what counts is the neighbour in the same film."""
    first, second = (autoregressive(np.random.default_rng(seed), 0.7, 100) for seed in (1, 2))
    apart, mixed = np.concatenate([first, second]), np.stack([first, second], axis=1).ravel()
    length = optimal_length(groups_of(["a"] * 100 + ["b"] * 100), [apart])
    assert length > 4
    assert optimal_length(groups_of(["a", "b"] * 100), [mixed]) == pytest.approx(length, rel=1e-9)


def test_independent_images_need_no_blocks_and_constant_series_none():
    lengths = [
        optimal_length(groups_of(["a"] * 200), [np.random.default_rng(seed).normal(size=200)]) for seed in range(50)
    ]
    assert np.median(lengths) < 2.5
    assert optimal_length(groups_of(["a"] * 200), [np.zeros(200)]) == 1
    assert max(lengths) <= math.ceil(3 * math.sqrt(200))


def test_many_groups_are_drawn_whole_and_lone_images_alone():
    values = [np.random.default_rng(0).normal(size=120)]
    assert choose_blocks(groups_of(np.arange(120)), values).length == 1
    patients = choose_blocks(groups_of(np.arange(120) // 5), values)
    assert (patients.length, patients.number) == (5, 24)
    assert choose_blocks(groups_of(np.arange(120) // 60), values).length < 60


def test_draws_are_whole_groups_in_their_order():
    drawn = Blocks(groups_of(["a", "b", "a", "b", "c", "c"]), 2).draw(500, np.random.default_rng(0))
    assert (drawn.sum(1) == 6).all()
    assert np.array_equal(drawn[:, [0, 1, 4]], drawn[:, [2, 3, 5]]), "three blocks of two, none is cut"
    assert drawn.mean(0) == pytest.approx(np.ones(6), abs=0.15)


def test_degrees_are_few_where_few_images_decide():
    random = np.random.default_rng(0)
    blocks = Blocks(groups_of(np.arange(400)), 1)
    assert 250 < blocks.degrees(random.normal(size=400)) <= 399
    few = np.where(np.arange(400) < 4, random.normal(size=400), 0)
    assert 1 <= blocks.degrees(few) < 5
    assert blocks.degrees(np.zeros(400)) == 399
    assert Blocks(groups_of(["a"] * 400), 50).degrees(random.normal(size=400)) <= 7


def test_the_comparison_says_how_images_were_resampled():
    films = np.repeat(["a", "b"], 100)
    arms = simulate(np.random.default_rng(3), {"a": 0, "b": 0}, 3, 200, 0.05, 1.0, films, correlation=0.9)
    found = compare(arms, MIOU, "a", resamples=50)[0]
    assert found.block_length > 5
    assert found.blocks == pytest.approx(200 / found.block_length)
    assert found.image_degrees <= found.blocks
