import pytest
import torch
from torch import nn
from torch.nn import functional as F

import segnet
from segnet.errors import UserError
from segnet.inference.averaging import Averaged
from segnet.inference.passes import described

IMAGES = torch.rand(2, 3, 12, 17, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1)).eval()


@torch.inference_mode()
def test_without_anything_to_average_it_is_the_network_itself(network):
    assert torch.equal(Averaged(network)(IMAGES), network(IMAGES))


@torch.inference_mode()
def test_flips_and_scales_are_the_mean_of_what_each_gives(network):
    expected = torch.zeros(2, 2, 12, 17)
    for size in ((12, 17), (9, 13), (18, 26)):  # by 1, 0.75 and 1.5
        resized = F.interpolate(IMAGES, size, mode="bilinear", antialias=size[0] < 12) if size != (12, 17) else IMAGES
        for turned in (False, True):
            output = network(resized.flip(-1) if turned else resized)
            output = output.flip(-1) if turned else output
            expected += F.interpolate(output, (12, 17), mode="bilinear") / 6
    found = Averaged(network, "horizontal", [1, 0.75, 1.5])(IMAGES)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, network(IMAGES), atol=1e-3)


@pytest.mark.parametrize("scales", [[], [0], [-1.0], [100], ["1"], [float("nan")]])
def test_scales_without_sense_are_refused(network, scales):
    with pytest.raises(UserError, match=r"scales=.* is not allowed: give numbers from 0.125 to 8, such as"):
        Averaged(network, scales=scales)


def test_scales_of_a_run_that_enlarges_are_refused(enlarging_run):
    with pytest.raises(UserError, match="scales= is for segmentation, and this run enlarges images"):
        segnet.load(enlarging_run, scales=[1, 2])


def test_a_prediction_takes_scales(segmentation_run):
    model = segnet.load(segmentation_run, device="cpu", precision="32-true", scales=(0.5, 1))
    image = IMAGES[0]
    expected = Averaged(model.network, scales=(0.5, 1))(image[None]).softmax(1)[0].detach().numpy()
    assert model.predict(image).probabilities == pytest.approx(expected, abs=1e-6)


def test_what_is_averaged_is_said_in_words():
    assert described("none", (1.0,)) == ""
    assert described("both", (1.0, 1.5)) == "averaged over flips both and scales 1, 1.5"
