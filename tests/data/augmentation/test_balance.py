import numpy as np
import pytest
import torch

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import Augmentation
from segnet.data.augmentation.balance import class_preferences, draw_centre
from segnet.errors import UserError

SMALL = ["data=shapes", "data.size=[48,64]", "data.images={train:12,val:1,test:1}", "data.batch_size=4"]
CROPPED = ["data.augmentation.crop=[16,16]", "data.augmentation.scale=[0.7,1.5]", "data.dataset.shapes=2"]


def module(*overrides: str):
    return data_from_config(compose([*SMALL, *CROPPED, *overrides]))


def test_a_class_is_preferred_by_the_root_of_its_rarity():
    pixels = torch.tensor([[80, 3, 0, 0], [0, 1, 16, 0]])
    preferences = class_preferences(pixels)
    assert preferences == pytest.approx([(100 / 80) ** 0.5, 5.0, 2.5, 0.0])


def test_classes_are_drawn_by_preference_and_pixels_uniformly():
    label = np.full((6, 8), 9, np.uint8)
    label[0, :4], label[2, 5], label[4] = 0, 1, 2
    random = np.random.default_rng(0)
    drawn = [draw_centre(label, np.array([1.0, 3.0, 0.0, 5.0]), random) for _ in range(4000)]
    places, counts = np.unique(np.array(drawn), axis=0, return_counts=True)
    assert places.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [2, 5]]  # none of class 2, of 3, or ignored
    assert counts / 4000 == pytest.approx([1 / 16] * 4 + [3 / 4], abs=0.03)


def test_a_label_without_a_class_leaves_the_window_where_it_was():
    assert draw_centre(np.full((4, 4), 9, np.uint8), np.ones(3), np.random.default_rng(0)) is None
    assert draw_centre(np.zeros((4, 4), np.uint8), np.array([0.0, 1.0]), np.random.default_rng(0)) is None


@pytest.mark.parametrize("crop", [(9, 12), (10, 13), (60, 90)])
def test_the_window_is_around_the_pixel_and_leaves_the_image_no_more_than_any(crop):
    augment = Augmentation(9, [0.0], crop, scale=(0.8, 1.5))
    for seed in range(20):
        random = np.random.default_rng(seed)
        place = random.integers(40), random.integers(60)
        plain, centred = (augment.draw((40, 60), np.random.default_rng(seed), centre=where) for where in (None, place))
        assert np.array_equal(plain.matrix[:, :2], centred.matrix[:, :2])  # all else is drawn as it was
        assert plain.flip == centred.flip
        window = np.round(centred.minification * centred.size)
        first = centred.matrix[:, 2] - (window - 1) / 2
        for start, side, full, wanted in zip(first, window, (40, 60), place, strict=True):
            inside = side <= full
            assert (0 <= start <= full - side) if inside else (full - side <= start <= 0)
            if side / 2 < wanted < full - side / 2:
                assert abs(start + side / 2 - wanted) <= 1
            assert start <= wanted < start + side


def share_of_rarest(data) -> float:
    rarest = data.pixel_counts("train").sum(0).argmin()
    labels = torch.cat([batch["label"] for epoch in range(6) for batch in data.training_batches(epoch)])
    return (labels == rarest).double().mean().item()


def test_rare_classes_fill_more_of_the_crops():
    assert share_of_rarest(module("data.augmentation.class_balance=1.0")) > 1.5 * share_of_rarest(module())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_balanced_crop_depends_on_the_sample_alone(workers):
    chosen = [
        "data.augmentation.class_balance=0.5",
        "data.augmentation.paste=0.5",
        "data.augmentation.paste_classes=[1]",
    ]
    loader, plain = module(*chosen).train_loader(), module(*chosen[1:]).train_loader()
    moved = 0
    for batch in module(*chosen, f"data.num_workers={workers}").training_batches(1):
        for index, image in zip(batch["index"].tolist(), batch["image"], strict=True):
            sample = loader.dataset[1, index]
            assert torch.equal(loader.collate_fn([sample]).augment()["image"][0], image)
            moved += not np.array_equal(sample.draw.matrix, plain.dataset[1, index].draw.matrix)
    assert 0 < moved < 12


def test_a_probability_is_asked_for():
    with pytest.raises(UserError, match=r"data.augmentation.class_balance=2 is not allowed: give a number from 0 to 1"):
        module("data.augmentation.class_balance=2")
