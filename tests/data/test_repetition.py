"""Repeat factors, and epochs measured in samples."""

from collections import Counter

import numpy as np
import pytest
import torch

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data.repetition import draw_counts, epoch_size, repeat_factors
from segnet.data.sampling import TrainingOrder, occurrences
from segnet.errors import UserError

SMALL = ["data=shapes", "data.size=[16,24]", "data.images={train:6,val:1,test:1}", "data.batch_size=3"]
FACTORS = np.array([1.0, 1.0, 2.5, 1.0, 1.3, 3.2, 1.4])


def test_factors_are_those_of_the_formula():
    pixels = torch.zeros(16, 4, dtype=torch.int64)
    pixels[:, 0] = 9  # in all images
    pixels[:4, 1] = 5  # in a quarter
    pixels[3, 2] = 1  # in a sixteenth; class 3 is in none
    assert repeat_factors(pixels, 0.25).tolist() == [1, 1, 1, 2, *[1] * 12]
    assert repeat_factors(pixels, 1.0).tolist() == [2, 2, 2, 4, *[1] * 12]
    assert repeat_factors(pixels, 0.01).tolist() == [1] * 16
    assert repeat_factors(torch.zeros(2, 4, dtype=torch.int64), 1.0).tolist() == [1, 1]  # all ignored


def test_images_are_seen_as_often_as_their_factors_say_in_passes_of_one_length():
    counts = np.array([draw_counts(FACTORS, np.random.default_rng(seed)) for seed in range(3000)])
    assert epoch_size(FACTORS) == 11
    assert (counts.sum(1) == 11).all()
    assert (counts >= np.floor(FACTORS)).all()
    whole = np.floor(FACTORS)
    expected = whole + (FACTORS - whole) * (1 / 1.4)  # one of 1.4
    assert np.allclose(counts.mean(0), expected, atol=0.04)
    assert draw_counts(np.array([1.0, 2.0]), np.random.default_rng(0)).tolist() == [1, 2]


def test_occurrences_count_equal_entries_before():
    assert occurrences(np.array([3, 1, 3, 3, 1, 0])).tolist() == [0, 0, 1, 2, 1, 0]
    assert occurrences(np.array([], np.int64)).tolist() == []


@pytest.mark.parametrize("chosen", [{}, {"epoch_samples": 24}, {"chunks": [3, 4], "window": 1}])
def test_each_time_an_epoch_sees_a_sample_has_a_key_of_its_own(chosen):
    order = TrainingOrder(7, 1, seed=2, factors=FACTORS, **chosen)
    for epoch in range(3):
        order.set_epoch(epoch)
        keys = list(order)
        assert len(set(keys)) == len(keys) == len(order) == chosen.get("epoch_samples", 11)
        assert {key[0] for key in keys} == {epoch}
        if not chosen.get("epoch_samples"):
            counts = np.bincount([key[1] for key in keys], minlength=7)
            assert (counts >= np.floor(FACTORS)).all()
            assert (counts <= np.floor(FACTORS) + 1).all()


def test_an_epoch_of_samples_goes_on_through_permutations():
    passes = TrainingOrder(7, 1, seed=2)
    expected = [key[1] for epoch in range(6) for key in (passes.set_epoch(epoch), *passes)[1:]]
    for length, batch in ((5, 1), (18, 3), (20, 3)):  # less than a pass, more, and one that does not fill its batches
        order = TrainingOrder(7, batch, seed=2, epoch_samples=length)
        seen = []
        for epoch in range(2):
            order.set_epoch(epoch)
            seen += [key[1] for key in order]
        assert len(order) == length // batch * batch
        assert seen == expected[: len(seen)]
    assert max(Counter(expected[:21]).values()) == 3


@pytest.mark.parametrize(
    "chosen", [{"factors": FACTORS}, {"epoch_samples": 18}, {"factors": FACTORS, "epoch_samples": 9}]
)
def test_such_orders_are_shared_out_and_resumed_as_any(chosen):
    alone = TrainingOrder(7, 4, seed=1, **chosen)
    alone.set_epoch(1)
    keys = list(alone)
    shares = []
    for rank in range(2):
        order = TrainingOrder(7, 4, seed=1, rank=rank, world_size=2, **chosen)
        order.set_epoch(1)
        shares.append(list(order))
    assert [key for batch in range(len(keys) // 4) for share in shares for key in share[2 * batch :][:2]] == keys
    resumed = TrainingOrder(7, 4, seed=1, **chosen)
    resumed.start_at(1, 1)
    assert list(resumed) == keys[4:]


def module(*overrides: str):
    return data_from_config(compose([*SMALL, *overrides]))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sample_that_is_seen_again_is_augmented_again_whatever_the_workers(workers):
    chosen = ["data.epoch_samples=15", "data.augmentation.brightness=0.5"]
    alone, helped = (
        [
            torch.cat([batch[name] for batch in module(*chosen, count).training_batches(1)])
            for name in ("index", "image")
        ]
        for count in ("data.num_workers=0", f"data.num_workers={workers}")
    )
    assert len(helped[0]) == 15
    assert all(torch.equal(one, two) for one, two in zip(alone, helped, strict=True))
    of_one = helped[1][helped[0] == helped[0][0]]
    assert len(of_one) >= 2
    assert not any(torch.equal(of_one[0], other) for other in of_one[1:])


def test_rare_classes_come_more_often():
    rare = module("data.repeat_factor=1.0", "data.images={train:40,val:1,test:1}", "data.dataset.shapes=2")
    found = rare.pixel_counts("train") > 0
    share = found.double().mean(0)
    seen = torch.cat([batch["index"] for batch in rare.training_batches(0)])
    assert len(seen) > 40
    least = share.argmin()
    assert found[seen][:, least].double().mean() > share[least] * 1.1


def test_a_small_set_fills_a_batch_that_is_larger():
    data = module("data.epoch_samples=20", "data.batch_size=10")
    data.check_batch_size()
    assert [len(batch["index"]) for batch in data.training_batches(0)] == [10, 10]


def test_progression_counts_the_epochs_of_the_training():
    data = module("data.epoch_samples=9", "data.progression={0:0.5,1:1.0}")
    sizes = [{tuple(batch["label"].shape[-2:]) for batch in data.training_batches(epoch)} for epoch in range(2)]
    assert sizes == [{(8, 12)}, {(16, 24)}]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.repeat_factor=2"], "data.repeat_factor=2 is not allowed: give a share of the images from 0 to 1"),
        (["data.epoch_samples=2"], "data.epoch_samples=2 is not allowed: give an integer from data.batch_size=3 up"),
        (["data.epoch_samples=9", "data.passes=2"], "data.passes=2 both say how long an epoch is: set data.passes=1"),
    ],
)
def test_what_cannot_be_is_refused(overrides, message):
    with pytest.raises(UserError, match=message):
        module(*overrides)
