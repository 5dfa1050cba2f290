"""The bottleneck of two depthwise branches against the same operations one by one."""

import pytest
import torch
from torch.nn import functional as F

from segnet.errors import UserError
from segnet.layers import SplitBottleneck
from segnet.models import initialise


def normalised(features, norm):
    return F.batch_norm(features, norm.running_mean, norm.running_var, norm.weight, norm.bias)


@pytest.mark.parametrize("channels", [(8, 8), (4, 8)], ids=["adds its input", "changes channels"])
def test_it_is_the_operations_one_by_one(channels):
    block = SplitBottleneck(*channels, dilation=3)
    initialise(block, 0)
    block.double().eval()
    features = torch.randn(2, channels[0], 9, 11, dtype=torch.float64)
    reduced = F.relu(normalised(F.conv2d(features, block.reduce.convolution.weight, padding=1), block.reduce.norm))
    near = F.conv2d(reduced[:, :2], block.near.weight, padding=1, groups=2)
    far = F.conv2d(reduced[:, 2:], block.far.weight, padding=3, dilation=3, groups=2)
    norm, _, merge = block.merge
    joined = F.relu(normalised(torch.cat([near, far], 1), norm))
    joined = F.relu(normalised(F.conv2d(joined, merge.convolution.weight, padding=1), merge.norm))
    expected = F.conv2d(joined, block.expand.weight) + (features if channels[0] == 8 else 0)
    torch.testing.assert_close(block(features), expected, rtol=0, atol=1e-12)


def test_channels_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(UserError, match="cannot halve 6 channels twice: choose a multiple of 4"):
        SplitBottleneck(8, 6)


def test_strides_are_refused():
    with pytest.raises(UserError, match="a SplitBottleneck has no stride"):
        SplitBottleneck(8, 8, stride=2)
