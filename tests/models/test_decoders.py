"""The decoder's plan and what it refuses."""

from functools import partial

import pytest
import torch
from torch import nn

from segnet.errors import UserError
from segnet.layers import BatchNorm, Bilinear, MaxPool, MaxUnpool, Nearest, RegularConvolution, StridedConvolution
from segnet.models import (
    AdditiveSkip,
    ConcatenatedSkip,
    MirrorDecoder,
    NoSkip,
    PlainEncoder,
    ReducedConcatenatedSkip,
)
from segnet.models.decoders import Step, plan_steps


def plain_encoder(widths=(4, 6, 8), downsampling=MaxPool) -> PlainEncoder:
    return PlainEncoder(3, widths, [1] * len(widths), RegularConvolution, downsampling)


def decoder(encoder, upsampler=Nearest, skip=ConcatenatedSkip, **options) -> MirrorDecoder:
    return MirrorDecoder(encoder, encoder.channels[-1], upsampler, skip, RegularConvolution, **options)


@pytest.mark.parametrize(
    ("channels", "strides", "steps"),
    [
        ([4, 6, 8], [1, 2, 4], [Step(2, 1, 6), Step(1, 0, 4)]),
        ([5], [1], []),
        # A backbone that begins at stride 4: its first width serves where it has no stage.
        ([96, 192], [4, 8], [Step(4, 0, 96), Step(2, None, 96), Step(1, None, 96)]),
        # Two stages at one stride: the later one counts; the last stage itself is no step.
        ([8, 16, 24, 40, 64], [2, 4, 4, 8, 8], [Step(4, 2, 24), Step(2, 0, 8), Step(1, None, 8)]),
    ],
)
def test_plan_halves_the_stride_down_to_one(channels, strides, steps):
    assert plan_steps(channels, strides) == steps


def test_default_widths_are_what_the_next_step_wants():
    stages = decoder(plain_encoder((4, 6, 8, 10))).stages
    assert [stage.out_channels for stage in stages] == [6, 4, 4]
    assert isinstance(stages[0].project, nn.Sequential)
    assert all(isinstance(stage.project, nn.Identity) for stage in stages[1:])
    assert [stage.upsampler.channels for stage in stages] == [8, 6, 4]


def test_depths_and_widths_by_stride():
    stages = decoder(plain_encoder((4, 6, 8, 10)), depths={4: 2}, widths={4: 7}, skip=NoSkip).stages
    assert [len(stage.block) for stage in stages] == [2, 0, 0]
    assert [stage.out_channels for stage in stages] == [7, 6, 4]


def test_change_last_narrows_in_the_last_convolution():
    def sizes(change_last: bool) -> list[tuple[int, int]]:
        block = decoder(plain_encoder((4, 6, 8)), skip=NoSkip, depths=3, change_last=change_last).stages[0].block
        return [(layer.convolution.in_channels, layer.convolution.out_channels) for layer in block]

    assert sizes(True) == [(6, 6), (6, 6), (6, 4)]
    assert sizes(False) == [(6, 4), (4, 4), (4, 4)]


def test_skip_strides_choose_the_stages_that_join():
    stages = decoder(plain_encoder((4, 6, 8, 10)), skip_strides=[2]).stages
    assert [stage.skip is not None for stage in stages] == [False, True, False]
    assert len(decoder(plain_encoder(), skip_strides=[]).stages[0].block) == 1


def test_pool_indices_arrive_where_no_skip_joins():
    encoder = plain_encoder()
    decode = decoder(encoder, MaxUnpool, skip_strides=[])
    encoded = encoder(torch.rand(1, 3, 7, 5))
    assert decode(encoded.features[-1], encoded, (7, 5)).shape == (1, 4, 7, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depths": [1, 1, 1]}, r"decoder\.depths=\[1, 1, 1\] has 3 entries.*2 steps, to strides \[2, 1\]: give one"),
        ({"widths": [4]}, r"decoder\.widths=\[4\] has 1 entries"),
        ({"depths": {4: 1}}, r"decoder\.depths=\{4: 1\} names a stride .*: name only strides among \[2, 1\]"),
        ({"widths": {8: 1}}, r"decoder\.widths=\{8: 1\} names a stride"),
        ({"skip_strides": [4]}, r"decoder\.skip_strides=\[4\] .*PlainEncoder has no stage to join: .*\[2, 1\]"),
        ({"depths": -1}, r"block of depth -1 .*encoder\.depths or decoder\.depths"),
        ({"depths": 0, "widths": [3, 3]}, r"block of depth 0 cannot take 12 channels to 3"),
        (
            {"upsampler": MaxUnpool},
            r"^MaxUnpool needs pool indices, but PlainEncoder .*downsampling=max_pool, or .*max_unpool$",
        ),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    encoder = plain_encoder(downsampling=partial(StridedConvolution, convolution=RegularConvolution))
    with pytest.raises(UserError, match=message):
        decoder(encoder, **options)


def test_max_unpool_is_refused_where_the_encoder_has_no_stage():
    encoder = plain_encoder((4, 6))
    encoder.strides, encoder.channels, encoder.keeps_pool_indices = (2, 4), (4, 6), (True,)
    with pytest.raises(UserError, match="from stride 1 to 2"):
        decoder(encoder, MaxUnpool)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((4, 6), [1], RegularConvolution), "2 widths, 1 depths and 2 convolutions"),
        (((), [], RegularConvolution), "one stage at least: there are 0 widths"),
        (((4, 6), [1, 1], [RegularConvolution]), "1 convolutions"),
        (((4, 6), [1, 2], [RegularConvolution, [RegularConvolution]]), "block of depth 2 was given 1 convolutions"),
        (((4, 6), [0, 1], RegularConvolution), "block of depth 0 cannot take 3 channels to 4"),
    ],
)
def test_plain_encoder_refuses_lists_that_do_not_fit(arguments, message):
    with pytest.raises(UserError, match=message):
        PlainEncoder(3, *arguments, MaxPool)


@pytest.mark.parametrize(("depths", "stride"), [([0, 1], 2), ([1, 1], 3)])
def test_plain_encoder_refuses_first_strides_that_do_not_fit(depths, stride):
    with pytest.raises(UserError, match=f"encoder.first_stride={stride} with encoder.depths="):
        PlainEncoder(3, [3, 4], depths, RegularConvolution, MaxPool, first_stride=stride)


def test_plain_encoder_takes_a_convolution_a_layer():
    factories = [partial(RegularConvolution, dilation=rate) for rate in (1, 2, 4)]
    encoder = PlainEncoder(3, [4, 6], [1, 3], [RegularConvolution, factories], MaxPool, kernel_size=5)
    layers = [layer.convolution for layer in encoder.stages[1]]
    assert [layer.dilation[0] for layer in layers] == [1, 2, 4]
    assert {layer.kernel_size for layer in layers} == {(5, 5)}


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (7, 9)])
def test_a_first_stride_of_two_leaves_out_full_resolution(size):
    encoder = PlainEncoder(3, [4, 6], [2, 1], RegularConvolution, MaxPool, first_stride=2)
    assert encoder.strides == (2, 4)
    encoded = encoder(torch.rand(2, 3, *size))
    sizes = [tuple(features.shape[-2:]) for features in encoded.features]
    assert sizes == [(-(-size[0] // stride), -(-size[1] // stride)) for stride in (2, 4)]
    mirror = decoder(encoder, Bilinear, depths={2: 1, 1: 0})
    assert mirror(encoded.features[-1], encoded, size).shape == (2, 4, *size)
    with pytest.raises(UserError, match="from stride 1 to 2"):
        decoder(encoder, MaxUnpool)


def test_skips_by_hand():
    up, encoded = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    assert torch.equal(NoSkip(3)(up, encoded), up)
    assert torch.equal(AdditiveSkip(3)(up, encoded), up + encoded)
    stacked = ConcatenatedSkip(3)(up, encoded)
    assert torch.equal(stacked[:, :3], up)
    assert torch.equal(stacked[:, 3:], encoded)
    assert [skip(3).out_channels for skip in (NoSkip, AdditiveSkip, ConcatenatedSkip)] == [3, 3, 6]


def test_reduced_skip_mixes_channels_only():
    skip = ReducedConcatenatedSkip(3, reduced_channels=2).eval()
    up, encoded = torch.rand(1, 3, 4, 5), torch.rand(1, 3, 4, 5)
    joined = skip(up, encoded)
    assert skip.out_channels == joined.shape[1] == 5
    assert torch.equal(joined[:, :3], up)
    weight = skip.reduce.convolution.weight[:, :, 0, 0]
    for row in range(4):
        for column in range(5):
            mixed = sum(weight[:, c] * encoded[0, c, row, column] for c in range(3)) / (1 + BatchNorm(2).eps) ** 0.5
            torch.testing.assert_close(joined[0, 3:, row, column], mixed.clamp(min=0))


def test_upsampler_is_the_only_enlargement():
    """Every step calls the upsampler once, from the stride before to its own."""
    calls = []

    class Recorded(Bilinear):
        def upsample(self, features, output_size, pool_indices):
            calls.append((tuple(features.shape[-2:]), output_size))
            return super().upsample(features, output_size, pool_indices)

    encoder = plain_encoder((4, 4, 4, 4))
    encoded = encoder(torch.rand(1, 3, 13, 9))
    decoder(encoder, Recorded)(encoded.features[-1], encoded, (13, 9))
    assert calls == [((2, 2), (4, 3)), ((4, 3), (7, 5)), ((7, 5), (13, 9))]


def test_without_projection_the_upsampler_works_on_what_arrives():
    encoder = plain_encoder((4, 6, 8))
    decode = decoder(encoder, project=False, widths={2: 5, 1: 3})
    assert [stage.upsampler.channels for stage in decode.stages] == [8, 5]
    assert [stage.skip.out_channels for stage in decode.stages] == [8 + 6, 5 + 4]
    assert all(isinstance(stage.project, nn.Identity) for stage in decode.stages)
    encoded = encoder(torch.rand(1, 3, 7, 5))
    assert decode(encoded.features[-1], encoded, (7, 5)).shape == (1, 3, 7, 5)


def test_without_projection_max_unpool_and_addition_want_equal_widths():
    same = decoder(plain_encoder((4, 4, 4)), MaxUnpool, AdditiveSkip, project=False)
    assert same.out_channels == 4
    with pytest.raises(
        UserError, match=r"leaves 8 channels at stride 2, where the encoder pooled 6: set decoder\.project"
    ):
        decoder(plain_encoder((4, 6, 8)), MaxUnpool, NoSkip, project=False)
    with pytest.raises(UserError, match=r"cannot add 8 channels of the decoder and 6 .* set decoder\.project=true"):
        decoder(plain_encoder((4, 6, 8)), Nearest, AdditiveSkip, project=False)


def test_skips_between_different_widths():
    up, encoded = torch.rand(2, 3, 4, 5), torch.rand(2, 2, 4, 5)
    assert torch.equal(ConcatenatedSkip(3, 2)(up, encoded), torch.cat([up, encoded], 1))
    assert ConcatenatedSkip(3, 2).out_channels == 5
    assert ReducedConcatenatedSkip(3, 2, reduced_channels=1)(up, encoded).shape == (2, 4, 4, 5)
    assert torch.equal(NoSkip(3, 2)(up, encoded), up)
