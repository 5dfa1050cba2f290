import numpy as np

from segnet.data.sampling import EvaluationOrder, TrainingOrder
from segnet.randomness import numpy_stream


def test_an_epoch_visits_every_sample_once_but_for_the_last_broken_batch():
    order = TrainingOrder(size=11, batch_size=4, seed=3)
    keys = list(order)
    assert len(keys) == len(order) == 8
    assert len({index for _, index in keys}) == 8
    assert all(epoch == 0 and 0 <= index < 11 for epoch, index in keys)


def test_the_order_depends_on_seed_and_epoch_alone():
    order = TrainingOrder(size=50, batch_size=5, seed=3)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    order.set_epoch(0)
    assert list(order) == first
    assert [index for _, index in second] != [index for _, index in first]
    assert list(TrainingOrder(size=50, batch_size=5, seed=4)) != first


def test_processes_share_out_the_batches_of_a_single_one():
    alone = list(TrainingOrder(size=20, batch_size=6, seed=0))
    shares = [list(TrainingOrder(20, 6, seed=0, rank=rank, world_size=3)) for rank in range(3)]
    assert [len(share) for share in shares] == [6, 6, 6]
    for batch in range(3):
        together = [key for share in shares for key in share[2 * batch : 2 * batch + 2]]
        assert together == alone[6 * batch : 6 * batch + 6]


def test_several_passes_an_epoch_have_orders_and_augmentations_of_their_own():
    order = TrainingOrder(size=10, batch_size=5, seed=0, passes=3)
    order.set_epoch(2)
    keys = list(order)
    assert len(keys) == len(order) == 30
    assert [key[0] for key in keys] == [6] * 10 + [7] * 10 + [8] * 10
    single = TrainingOrder(size=10, batch_size=5, seed=0)
    single.set_epoch(7)
    assert keys[10:20] == list(single)


def test_an_order_continues_in_the_middle_of_an_epoch():
    whole = TrainingOrder(size=10, batch_size=3, seed=0, passes=2)
    whole.set_epoch(4)
    resumed = TrainingOrder(size=10, batch_size=3, seed=0, passes=2)
    resumed.start_at(4, 5)
    resumed.set_epoch(4)  # as Lightning says once more
    assert list(resumed) == list(whole)[15:]
    assert len(resumed) == len(whole) == 18  # of the whole epoch, by which Lightning counts batches
    resumed.set_epoch(5)
    whole.set_epoch(5)
    assert list(resumed) == list(whole)


def test_a_batch_is_the_same_for_any_number_of_processes():
    whole = TrainingOrder(size=20, batch_size=4, seed=1).batch_keys(2, 3)
    shares = [TrainingOrder(20, 4, 1, rank=rank, world_size=2).batch_keys(2, 3) for rank in range(2)]
    assert shares[0] + shares[1] == whole


def test_evaluation_counts_each_sample_once_over_all_processes():
    shares = [EvaluationOrder(10, rank, world_size=4) for rank in range(4)]
    assert sorted(index for share in shares for index in share) == list(range(10))
    assert [len(share) for share in shares] == [3, 3, 2, 2]


def test_a_window_reads_a_few_chunks_at_a_time():
    chunks = [3, 5, 4, 2, 6]
    order = TrainingOrder(20, 4, seed=1, chunks=chunks, window=2)
    seen = [index for _, index in order]
    assert sorted(seen) == list(range(20))
    of_chunk = np.repeat(range(5), chunks)[seen]
    drawn = numpy_stream(1, "order", 0).permutation(5)
    place = 0
    for window in (drawn[:2], drawn[2:4], drawn[4:]):
        size = sum(chunks[chunk] for chunk in window)
        assert set(of_chunk[place : place + size]) == set(window)
        place += size
    order.set_epoch(1)
    assert [index for _, index in order] != seen
    mixed = [len(set(of_chunk[start : start + 4])) for start in range(0, 20, 4)]
    assert max(mixed) > 1


def test_a_windowed_order_is_shared_out_and_resumed_as_any():
    settings = {"chunks": [3, 5, 4, 2, 6], "window": 2}
    alone = list(TrainingOrder(20, 4, 1, **settings))
    shares = [list(TrainingOrder(20, 4, 1, rank=rank, world_size=2, **settings)) for rank in range(2)]
    together = [key for batch in range(5) for share in shares for key in share[2 * batch : 2 * batch + 2]]
    assert together == alone
    resumed = TrainingOrder(20, 4, 1, **settings)
    resumed.start_at(0, 3)
    assert list(resumed) == alone[12:]
