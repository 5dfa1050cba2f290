"""What is found out about a data set before a training starts."""

import logging

import numpy as np
import pytest

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import Augmentation, DataModule
from segnet.errors import UserError
from segnet.tasks import Segmentation

CLASSES = {"road": (0, 0, 0), "car": (9, 9, 9), "tree": (5, 5, 5)}


class Labels:
    """Grey images with the labels that are given."""

    def __init__(self, labels, channels=1):
        self.labels, self.channels, self.ids = labels, channels, [f"image{n}" for n in range(len(labels))]

    def load(self, index, random):
        label = np.array(self.labels[index], np.uint8)
        return np.zeros((*label.shape, self.channels), np.uint8), label


def module(train, val=None, ignore_index=255, crop=None, channels=1, batch_size=1, test=None):
    val = train if val is None else val
    splits = {"train": train, "val": val, "test": val if test is None else test}
    augmentation = Augmentation(ignore_index, [0.0], crop)
    return DataModule(
        lambda split: Labels(splits[split], channels),
        CLASSES,
        ignore_index,
        1,
        augmentation,
        batch_size,
        2,
        num_workers=0,
    )


def test_a_class_without_pixels_in_training_is_named_once(caplog):
    with caplog.at_level(logging.WARNING):
        Segmentation().check(module([[[0, 1, 255]]], [[[0, 2]]]), 1)
    assert [record.getMessage() for record in caplog.records] == [
        "the training split has no pixel of tree: it cannot be learned, and scores 0 in val and test"
    ]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        Segmentation().check(module([[[0, 1, 2]]]), 1)
        Segmentation().check(module([[[0, 1, 2]]], ignore_index=2), 1)  # which is not to be learned
    assert not caplog.records


def test_masks_of_0_and_255_with_255_ignored_are_refused():
    message = r"hold one class only \(road\) beside the ignore index: .* is data.ignore_index=255 a class\?"
    with pytest.raises(UserError, match=message):
        module([[[0, 255]]]).check()
    with pytest.raises(UserError, match="hold no class beside the ignore index"):
        module([[[255, 255]]]).check()
    with pytest.raises(UserError, match=r"one class only \(car\)"):
        module([[[0, 1]]], ignore_index=0).check()


def test_a_validation_split_without_labelled_pixels_is_refused():
    message = "the validation split has no labelled pixel, all are data.ignore_index=255: nothing can tell which epoch"
    with pytest.raises(UserError, match=message):
        module([[[0, 1]]], [[[255, 255]], [[255, 255]]]).check()
    with pytest.raises(UserError, match=r"all are data\.ignore_index=2"):
        module([[[0, 1]]], [[[2, 2]]], ignore_index=2).check()
    module([[[0, 1]]], [[[255, 255]], [[255, 0]]]).check()


def test_a_test_split_without_labelled_pixels_is_reported(caplog):
    with caplog.at_level(logging.WARNING):
        Segmentation().check(module([[[0, 1, 2]]], test=[[[255, 255, 255]]]), 1)
    assert [record.getMessage() for record in caplog.records] == [
        "the test split has no labelled pixel: there are no test scores"
    ]


def test_a_split_without_images_is_refused():
    with pytest.raises(UserError, match="a split of the data set holds no images: each of train, val and test needs"):
        module([[[0, 1]]], []).check()
    with pytest.raises(UserError, match=r"the training split holds no images: a training needs one at least$"):
        module([], [[[0, 1]]]).check()


def test_other_channels_than_those_that_are_read_are_refused():
    message = "the data set reads image0 with 3 channels, and data.channels=1 was set: set data.channels=3"
    with pytest.raises(UserError, match=message):
        module([[[0, 1]]], channels=3).check()


def test_training_images_of_several_sizes_without_a_crop_are_refused_before_training():
    mixed = [[[0, 1]], [[0, 1, 1]]]
    with pytest.raises(UserError, match=r"images of 2x1 and 3x1 pixels cannot share a batch: set data.augmentation"):
        module(mixed, batch_size=2).check()
    module(mixed, batch_size=2, crop=(2, 2)).check()
    module(mixed, batch_size=1).check()
    module(mixed, batch_size=2).check(world_size=2)  # one image a process


def test_images_of_several_sizes_are_scored_in_the_order_of_the_split():
    widths = [3, 3, 3, 5, 3, 4, 4]
    labels = [[[0] * (width - 1) + [1]] for width in widths]
    data = module(labels)
    assert data.sizes("val") == [(1, width) for width in widths]

    def batches(*share):
        loader = data.eval_loader("val", *share)
        found = [batch["index"].tolist() for batch in loader]
        assert len(found) == len(loader)
        for batch in loader:
            assert batch["image"].shape[-2:] == batch["label"].shape[-2:] == (1, widths[batch["index"][0]])
        return found

    assert batches() == [[0, 1], [2], [3], [4], [5, 6]]
    assert batches(0, 2) == [[0, 2], [4], [6]]
    assert batches(1, 2) == [[1], [3], [5]]
    assert [batch["index"].tolist() for batch in module([[[0, 1]]] * 5).eval_loader("val")] == [[0, 1], [2, 3], [4]]


def test_a_colour_set_can_be_read_as_grey(tmp_path, write_camvid):
    write_camvid(tmp_path)
    grey = ["data.channels=1", "data.mean=[0.4]", "data.std=[0.3]", "data.batch_size=2"]
    data = data_from_config(compose(["data=camvid", f"data.root={tmp_path}", *grey]))
    data.check()
    assert data.eval_loader("val").dataset[0]["image"].shape == (1, 6, 8)
