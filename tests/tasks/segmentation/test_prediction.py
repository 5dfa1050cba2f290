import numpy as np
import pytest
import torch
from torch import nn

from segnet.data.samples import as_float
from segnet.tasks.segmentation.prediction import classify, enlarge_bands, predict, predict_batches, resize_logits


class Brightness(nn.Module):
    """Class 1 where the first channel is above one half, class 0 elsewhere; notes the sizes it saw."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.sizes = []

    def forward(self, images):
        self.sizes.append(tuple(images.shape[-2:]))
        return torch.stack([1 - images[:, 0], images[:, 0]], dim=1) * self.weight


def forward(network):
    """Run a network as a whole, in the form that a task takes."""
    return lambda images: [(0, network(as_float(images)))]


IMAGE = np.array([[[0], [255], [255]], [[0], [0], [255]]], np.uint8)


def test_logits_of_the_right_size_stay_themselves():
    logits = torch.rand(1, 2, 4, 6)
    assert resize_logits(logits, (4, 6)) is logits
    assert resize_logits(logits, [8, 9]).shape == (1, 2, 8, 9)


def test_classes_are_predicted_pixel_by_pixel():
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None]
    assert predict(Brightness(), pixels, (2, 3)).tolist() == [[[0, 1, 1], [0, 0, 1]]]
    classes, probabilities = classify(forward(Brightness()), [IMAGE, 255 - IMAGE], 1.0, True)
    assert classes.dtype == np.uint8
    assert classes.tolist() == [[[0, 1, 1], [0, 0, 1]], [[1, 0, 0], [1, 1, 0]]]
    assert probabilities.shape == (2, 2, 2, 3)
    assert np.allclose(probabilities[0, 1, 0], 1 / (1 + np.exp([1, -1, -1])), atol=1e-6)


@pytest.mark.parametrize(("scale", "size"), [(0.5, (4, 6)), (2.0, (16, 24))])
def test_the_network_sees_the_scale_of_training_and_the_answer_has_the_images_size(scale, size):
    network = Brightness()
    image = np.zeros((8, 12, 1), np.uint8)
    image[:, 6:] = 255
    classes, _ = classify(forward(network), [image], scale, False)
    assert network.sizes == [size]
    assert classes.tolist() == [[[0] * 6 + [1] * 6] * 8]


@pytest.mark.parametrize("size", [(1300, 17), (40, 60), (7, 5)])
def test_logits_in_bands_are_enlarged_as_the_whole(size):
    logits = torch.randn(2, 3, 20, 30)
    joined = torch.cat([band for _, band in enlarge_bands([(0, logits[:, :, :7]), (7, logits[:, :, 7:])], size)], dim=2)
    assert torch.allclose(joined, resize_logits(logits, size), atol=1e-5)


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
