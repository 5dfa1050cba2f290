import numpy as np
import pytest
import torch

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import Augmentation
from segnet.data.progression import Progression
from segnet.errors import UserError

SMALL = ["data=shapes", "data.size=[16,24]", "data.images={train:4,val:1,test:1}", "data.batch_size=2"]


def test_each_factor_holds_until_the_next():
    progression = Progression({3: 1.0, 0: 0.25, 1: 0.5})
    assert [progression.resolution(epoch) for epoch in range(5)] == [0.25, 0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("resolutions", [{}, {1: 1.0}, {0: 0.0}, {0: 0.5, 9: 1.5}, {-1: 0.5, 0: 1.0}])
def test_what_is_no_progression_is_refused(resolutions):
    with pytest.raises(UserError, match=r"data.progression=.* write it as \{0:0.5,60:1.0\}"):
        Progression(resolutions)


def test_epochs_come_in_their_resolution_whatever_the_passes():
    data = data_from_config(compose([*SMALL, "data.progression={0:0.5,2:1.0}", "data.passes=3"]))
    sizes = [{tuple(batch["label"].shape[-2:]) for batch in data.training_batches(epoch)} for epoch in range(4)]
    assert sizes == [{(8, 12)}, {(8, 12)}, {(16, 24)}, {(16, 24)}]
    assert tuple(next(iter(data.eval_loader("val")))["image"].shape[-2:]) == (16, 24)


def test_the_last_epochs_are_those_of_a_training_without_progression():
    plain, progressive = (data_from_config(compose([*SMALL, *more])) for more in ([], ["data.progression={0:0.5,1:1}"]))
    for one, two in zip(plain.training_batches(1), progressive.training_batches(1), strict=True):
        assert all(torch.equal(one[name], two[name]) for name in ("image", "label", "index"))


@pytest.mark.parametrize("crop", [None, (20, 30)])
def test_the_window_is_the_same_and_comes_out_smaller(crop):
    augment = Augmentation(255, [0.0], crop, scale=(0.5, 2.0), horizontal_flip=0.5, brightness=0.3)
    for seed in range(10):
        whole, half = (augment.draw((40, 60), np.random.default_rng(seed), 0.5, factor) for factor in (1.0, 0.5))
        assert half.size == (10, 15)
        assert np.array_equal(2 * whole.minification, half.minification)
        assert np.array_equal(whole.matrix[:, 2], half.matrix[:, 2])
        assert (whole.flip, *whole.colour) == (half.flip, *half.colour)
