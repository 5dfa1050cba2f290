"""The presets are the networks of their papers: layer sizes and counts worked out by hand from the tables there."""

import pytest
import torch
from omegaconf import OmegaConf

from segnet.analysis import count_macs, count_parameters
from segnet.build import build_network
from segnet.config import compose
from segnet.layers import ConvNormAct, SplitBottleneck
from segnet.models import NoSkip

CLASSES = 11  # of data=camvid
HEAD = 64 * CLASSES + CLASSES


def conv(before: int, after: int, kernel_size: int = 3) -> int:
    """Weights of a convolution without bias, and scale and shift of the norm behind it."""
    return before * after * kernel_size**2 + 2 * after


def preset(name: str, *overrides: str) -> torch.nn.Module:
    return build_network(["data=camvid", f"model={name}", *overrides])


def test_segnet_has_the_layers_of_the_paper():
    network = preset("segnet")
    sizes = [
        (module.convolution.in_channels, module.convolution.out_channels, module.convolution.kernel_size)
        for module in network.modules()
        if isinstance(module, ConvNormAct)
    ]
    vgg = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512), *[(512, 512)] * 5]
    # The decoder has the same layers the other way round, but the one that would lead back to the image.
    mirrored = [(after, before) for before, after in reversed(vgg[1:])]
    assert sizes == [(*size, (3, 3)) for size in vgg + mirrored]
    assert network.encoder.strides == (1, 2, 4, 8, 16, 32)
    assert all(isinstance(stage.skip, NoSkip) for stage in network.decoder.stages)
    assert {type(stage.upsampler).__name__ for stage in network.decoder.stages} == {"MaxUnpool"}
    assert count_parameters(network) == sum(conv(*size) for size in vgg + mirrored) + HEAD == 29_435_787


def test_segnet_basic_counts_as_by_hand():
    network = preset("segnet_basic")
    by_hand = conv(3, 64, 7) + 7 * conv(64, 64, 7) + HEAD
    assert count_parameters(network) == by_hand == 1_416_075
    assert not any(isinstance(module, torch.nn.ReLU) for module in network.decoder.modules())
    assert any(isinstance(module, torch.nn.ReLU) for module in network.encoder.modules())


def test_unet_counts_as_by_hand():
    widths = [64, 128, 256, 512, 1024]
    down = sum(conv(before, after) + conv(after, after) for before, after in zip([3, *widths], widths, strict=False))
    up = sum(conv(2 * width, width, 1) + conv(2 * width, width) + conv(width, width) for width in widths[:-1])
    assert count_parameters(preset("unet", "upsampler=nearest")) == down + up + HEAD == 28_950_283
    stamps = sum(16 * width**2 for width in widths[:-1])  # 4x4, channels unchanged
    assert count_parameters(preset("unet")) == down + up + HEAD + stamps == 34_520_843


def test_unet_resnet18_counts_as_by_hand():
    """Four blocks of two convolutions behind a skip connection, one without, and a 3x3 head with bias."""
    network = preset("unet_resnet18")
    sizes = [(512 + 256, 256), (256 + 128, 128), (128 + 64, 64), (64 + 64, 32), (32, 16)]
    up = sum(conv(before, after) + conv(after, after) for before, after in sizes)
    encoder = 11_689_512 - (512 * 1000 + 1000)  # ResNet-18 without its classifier, as torchvision counts it
    assert count_parameters(network) == encoder + up + 16 * CLASSES * 9 + CLASSES == 14_329_659
    assert network(torch.rand(1, 3, 33, 65)).shape == (1, CLASSES, 33, 65)


def test_unet_in_the_paper_s_form_would_count_31_million():
    """The figure that configs/model/unet.yaml quotes: convolutions with bias, 2x2 up-convolutions that halve."""
    widths = [64, 128, 256, 512, 1024]

    def biased(before: int, after: int, kernel_size: int = 3) -> int:
        return before * after * kernel_size**2 + after

    down = sum(
        biased(before, after) + biased(after, after) for before, after in zip([1, *widths], widths, strict=False)
    )
    up = sum(biased(2 * width, width, 2) + biased(2 * width, width) + biased(width, width) for width in widths[:-1])
    assert down + up + biased(64, 2, 1) == 31_030_658


def test_realtime_is_small():
    network = preset("realtime")
    assert count_parameters(network) < 1_000_000
    dilations = [m.depthwise.dilation[0] for m in network.modules() if hasattr(m, "depthwise")]
    assert dilations.count(16) == dilations.count(8) == 2
    assert count_macs(network, (3, 16, 16)) < count_macs(preset("segnet_basic"), (3, 16, 16)) / 50


def test_lmffnet_has_the_bottlenecks_of_the_paper():
    network = preset("lmffnet")
    assert network.encoder.strides == (2, 4, 8)
    blocks = [module for module in network.modules() if isinstance(module, SplitBottleneck)]
    assert [block.far.dilation[0] for block in blocks] == [2, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32]
    half, quarter = 64, 32
    block = 128 * half * 9 + 2 * half + 2 * quarter * 9 + 2 * half + half * half * 9 + 2 * half + half * 128
    assert count_parameters(blocks[-1]) == block
    assert [block.adds_input for block in blocks[:5]] == [False, True, True, False, True]
    assert count_parameters(network) < 1_500_000


def test_fullres_never_downsamples_and_costs_more():
    network, default = preset("fullres"), build_network(["data=camvid", "upsampler=nearest"])
    assert network.encoder.strides == (1,)
    assert len(network.decoder.stages) == 0
    assert count_parameters(network) == conv(3, 32) + 7 * conv(32, 32) + 32 * CLASSES + CLASSES
    assert 0.8 < count_parameters(network) / count_parameters(default) < 1.2
    assert count_macs(network, (3, 36, 48)) > 2 * count_macs(default, (3, 36, 48))


def test_deeplabv3plus_joins_one_skip_connection():
    network = preset("deeplabv3plus", "encoder=mobilenet_v3_small", "encoder.output_stride=16")
    assert network.encoder.strides == (2, 4, 8, 16, 16)
    joined = {
        step.stride: stage.skip for step, stage in zip(network.decoder.steps, network.decoder.stages, strict=True)
    }
    assert {stride for stride, skip in joined.items() if skip is not None} == {4}
    assert joined[4].out_channels - joined[4].reduce.norm.num_features == network.encoder.channels[1]
    assert joined[4].reduce.norm.num_features == 48
    assert network.context.out_channels == network.decoder.stages[1].out_channels == 256


@pytest.mark.parametrize("model", ["segnet", "realtime"])
def test_command_line_wins_over_the_preset(model):
    chosen = compose([f"model={model}", "upsampler=nearest", "encoder=resnet18", "skip=concat"])
    plain = compose(["encoder=resnet18", "upsampler=nearest"])
    for group in ("upsampler", "encoder", "skip"):
        assert chosen[group] == plain[group]
    assert chosen.decoder != plain.decoder or chosen.convolution != plain.convolution


def test_preset_wins_over_the_plain_defaults():
    plain, segnet = compose([]), compose(["model=segnet"])
    assert plain.skip._target_.endswith("ConcatenatedSkip")
    assert segnet.skip._target_.endswith("NoSkip")
    assert segnet.upsampler._target_.endswith("MaxUnpool")
    assert OmegaConf.to_container(segnet)["model"] == OmegaConf.to_container(plain)["model"]
    assert (list(plain.encoder.widths), segnet.encoder.widths[-1], segnet.decoder.change_last) == (
        [16, 32, 48],
        512,
        True,
    )


@pytest.mark.parametrize(
    ("overrides", "width", "output_stride", "context_channels"),
    [
        (["model=deeplabv3plus"], None, 16, 256),
        (["model=deeplabv3plus", "encoder=resnet101"], None, 16, 256),
        (["model=deeplabv3plus", "encoder.output_stride=8", "context.out_channels=64"], None, 8, 64),
        (["encoder=resnet50", "context=aspp_separable"], None, None, None),
        (["model=unet", "encoder.widths=[4,8]", "context=aspp_separable"], 4, None, None),
    ],
)
def test_a_preset_sets_a_part_and_the_part_s_own_key_wins(overrides, width, output_stride, context_channels):
    config = compose(overrides)
    assert config.context.out_channels == context_channels
    assert config.encoder.get("output_stride") == output_stride
    assert width is None or config.encoder.widths[0] == width
