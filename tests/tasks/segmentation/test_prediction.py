import numpy as np
import pytest
import torch
from torch import nn

from segnet.tasks.segmentation.prediction import predict, predict_batches, predict_image, resize_logits


class Brightness(nn.Module):
    """Class 1 where the first channel is above one half, class 0 elsewhere; notes the sizes it saw."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.sizes = []

    def forward(self, images):
        self.sizes.append(tuple(images.shape[-2:]))
        return torch.stack([1 - images[:, 0], images[:, 0]], dim=1) * self.weight


IMAGE = np.array([[[0], [255], [255]], [[0], [0], [255]]], np.uint8)


def test_logits_of_the_right_size_stay_themselves():
    logits = torch.rand(1, 2, 4, 6)
    assert resize_logits(logits, (4, 6)) is logits
    assert resize_logits(logits, [8, 9]).shape == (1, 2, 8, 9)


def test_classes_are_predicted_pixel_by_pixel():
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None]
    assert predict(Brightness(), pixels, (2, 3)).tolist() == [[[0, 1, 1], [0, 0, 1]]]
    classes = predict_image(Brightness(), IMAGE)
    assert classes.dtype == np.uint8
    assert classes.tolist() == [[0, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(("scale", "size"), [(0.5, (4, 6)), (2.0, (16, 24))])
def test_the_network_sees_the_scale_of_training_and_the_answer_has_the_images_size(scale, size):
    network = Brightness()
    image = np.zeros((8, 12, 1), np.uint8)
    image[:, 6:] = 255
    classes = predict_image(network, image, scale)
    assert network.sizes == [size]
    assert classes.tolist() == [[0] * 6 + [1] * 6] * 8


def test_batches_are_predicted_at_the_labels_resolution_in_evaluation_mode():
    network = Brightness().train()
    batch = {
        "image": torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
        "label": torch.ones(2, 8, 8),
        "index": torch.arange(2),
    }
    ((predictions, labels),) = predict_batches(network, [batch])
    assert not network.training
    assert torch.equal(predictions, torch.zeros(2, 8, 8, dtype=torch.int64))
    assert torch.equal(labels, batch["label"])
