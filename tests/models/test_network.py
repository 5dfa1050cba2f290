"""The network's own part: the normalisation and the head."""

from functools import partial

import torch

from segnet.layers import MaxPool, Nearest, RegularConvolution
from segnet.models import MirrorDecoder, NoContext, NoSkip, PlainEncoder, SegmentationNetwork, initialise


def network(mean=(0.2, 0.4), std=(0.5, 0.25)) -> SegmentationNetwork:
    built = SegmentationNetwork(
        PlainEncoder(2, [3, 4], [1, 1], RegularConvolution, MaxPool),
        NoContext,
        partial(MirrorDecoder, upsampler=Nearest, skip=NoSkip, convolution=RegularConvolution),
        num_classes=5,
        mean=mean,
        std=std,
    )
    initialise(built, seed=0)
    return built.eval()


def test_encoder_sees_normalised_images():
    images, seen = torch.rand(2, 2, 5, 3), []
    net = network()
    net.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    logits = net(images)
    assert logits.shape == (2, 5, 5, 3)
    assert net.num_classes == 5
    for channel, (mean, std) in enumerate([(0.2, 0.5), (0.4, 0.25)]):
        torch.testing.assert_close(seen[0][:, channel], (images[:, channel] - mean) / std)


def test_normalising_outside_is_the_same():
    images = torch.rand(1, 2, 4, 4)
    normalised = torch.stack([(images[:, 0] - 0.2) / 0.5, (images[:, 1] - 0.4) / 0.25], dim=1)
    torch.testing.assert_close(network((0.0, 0.0), (1.0, 1.0))(normalised), network()(images))


def test_statistics_belong_to_the_config_and_not_to_the_weights():
    assert not {"mean", "std"} & network().state_dict().keys()
    assert {"mean", "std"} <= dict(network().named_buffers()).keys()


def test_head_mixes_channels_only():
    head = network().head
    assert head.kernel_size == (1, 1)
    assert head.bias is not None
