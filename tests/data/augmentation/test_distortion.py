"""Elastic distortion and JPEG: functions of the sample's stream, off by default, any size, labels of known classes."""

import numpy as np
import pytest
import torch

from segnet.data import Augmentation
from segnet.data.augmentation.augmentation import cut
from segnet.data.augmentation.distortion import NODES, compress, displace
from segnet.data.batch import Collate, TrainingSample, TrainingSamples
from tests.data.augmentation.test_augmentation import marked_sample

SETTINGS = {"distortion": 0.1, "jpeg": 10}
FILL = [0.5, 0.5, 0.5]


class OneSample:
    """A split of one image ``(C, H, W)`` and its label."""

    ids = ("a",)

    def __init__(self, image, label):
        self.image, self.label = image, label

    def load(self, index, random):
        return self.image.transpose(1, 2, 0), self.label


def augmented(augment, image, label, epoch):
    """The sample in an epoch, all the way."""
    samples = TrainingSamples(OneSample(image, label), augment, scale=1.0, seed=0)
    batch = Collate(augment)([samples[epoch, 0]]).augment()
    return batch["image"][0], batch["label"][0]


def textured(height: int, width: int, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (channels, height, width), np.uint8)
    return image, marked_sample(height, width)[1]


@pytest.mark.parametrize("name", SETTINGS)
def test_it_depends_on_the_stream_alone(name):
    image, label = textured(40, 60)
    augment = Augmentation(9, FILL, **{name: SETTINGS[name]})
    one, two, other = (augmented(augment, image, label, epoch) for epoch in (3, 3, 4))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    assert not np.array_equal(one[0], image)
    assert not torch.equal(one[0], other[0])
    assert np.array_equal(one[1], label) == (name == "jpeg")


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 20)])
@pytest.mark.parametrize("crop", [None, (1, 1), (24, 50)])
def test_any_size_keeps_to_known_labels(name, channels, size, crop):
    image, label = textured(*size, channels)
    settings = {"crop": crop, "scale": (0.5, 2.0), "rotation": 20.0, "horizontal_flip": 0.5}
    augment = Augmentation(9, FILL[:channels], **settings, **{name: SETTINGS[name]})
    for epoch in range(4):
        new_image, new_label = augmented(augment, image, label, epoch)
        assert tuple(new_image.shape) == (channels, *(crop or size))
        assert set(new_label.unique().tolist()) <= {0, 1, 9}


def test_switched_on_they_leave_all_else_that_is_drawn():
    settings = {"blur": 1.0, "cut_out": 0.5, "rotation": 20.0, "brightness": 0.3}
    plain, changed = Augmentation(9, FILL, **settings), Augmentation(9, FILL, **settings, **SETTINGS)
    for seed in range(20):
        streams = [np.random.default_rng(seed) for _ in range(2)]
        one, two = (augment.draw((40, 60), at) for augment, at in zip((plain, changed), streams, strict=True))
        for name in one._fields:
            assert np.array_equal(getattr(one, name), getattr(two, name)) == (name not in {"nodes", "jpeg"})
        assert streams[0].random() == streams[1].random()
        assert not one.nodes.any()
        assert one.jpeg == 100
        assert 10 <= two.jpeg <= 100
        assert 0 < np.abs(two.nodes).max() <= 4


def test_displacements_meet_their_nodes_and_are_linear_between():
    nodes = torch.zeros(1, 2, NODES, NODES)
    nodes[0, 0, 1, 2], nodes[0, 1, 4, 4] = 8.0, -2.0
    along_y, along_x = displace(nodes, (17, 33))
    assert along_y[0, 4, 16] == 8
    assert along_y[0, 2, 16] == along_y[0, 4, 12] == 4
    assert along_y[0, 2, 12] == 2
    assert along_x[0, 16, 32] == -2
    assert along_x[0, 13:, 25:].count_nonzero() == along_x[0].count_nonzero() == 4 * 8


def test_equal_displacements_of_all_nodes_shift_the_image():
    image, label = textured(20, 30)
    augment = Augmentation(9, FILL, distortion=0.1)
    nodes = np.zeros((2, NODES, NODES))
    nodes[0], nodes[1] = 3, -2
    draw = augment.draw(label.shape, np.random.default_rng(0))._replace(nodes=nodes)
    batch = Collate(augment)([TrainingSample(*cut(image, label, draw), 0)]).augment()
    assert np.array_equal(batch["image"][0][:, :-3, 2:], image[:, 3:, :-2])
    assert np.array_equal(batch["label"][0][:-3, 2:], label[3:, :-2])
    assert (batch["label"][0][-3:] == 9).all()
    assert (batch["label"][0][:, :2] == 9).all()


def test_image_and_label_move_together():
    image, label = marked_sample(40, 60)
    moved = 0
    for epoch in range(10):
        new_image, new_label = augmented(Augmentation(9, FILL, distortion=0.2), image, label, epoch)
        decided = ((new_image[0] < 5) | ((new_image[0] > 195) & (new_image[0] < 205))) & (new_label != 9)
        assert ((new_image[0] > 100) == (new_label == 1))[decided].float().mean() > 0.98
        moved += (new_label != torch.from_numpy(label)).sum().item()
    assert moved > 100


def test_cutting_first_changes_nothing():
    image, label = textured(40, 60)
    augment = Augmentation(9, FILL, (12, 16), (0.5, 2.0), 0.5, distortion=0.2)
    smaller = 0
    for seed in range(40):
        draw = augment.draw(label.shape, np.random.default_rng(seed))
        part = cut(image, label, draw)
        smaller += part[1].size < label.size
        whole, parted = (Collate(augment)([TrainingSample(*found, 0)]) for found in ((image, label, draw), part))
        one, two = whole.augment(), parted.augment()
        assert (one["image"].int() - two["image"].int()).abs().max() <= 2  # a place may round to the next 1/256 pixel
        assert (one["label"] != two["label"]).float().mean() <= 0.005
    assert smaller > 10


def test_done_at_once_as_on_a_gpu_it_is_the_same():
    image, label = textured(30, 40)
    augment = Augmentation(9, FILL, (24, 24), (0.5, 2.0), 0.5, distortion=0.1)
    draws = [augment.draw(label.shape, np.random.default_rng(seed)) for seed in range(4)]
    batch = Collate(augment)([TrainingSample(*cut(image, label, draw), n) for n, draw in enumerate(draws)])
    images, labels = batch._augment(slice(None), batch.image.shape[-2:], max(batch.radii))
    one_by_one = batch.augment()
    assert torch.equal(labels, one_by_one["label"])
    assert (images.int() - one_by_one["image"].int()).abs().max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_loses_more_at_a_lower_quality(channels):
    image = textured(24, 30, channels)[0]
    lost = [np.abs(compress(image, quality).astype(int) - image).mean() for quality in (100, 90, 10)]
    assert lost[0] == 0 < lost[1] < lost[2]
    assert compress(image, 10).shape == image.shape
