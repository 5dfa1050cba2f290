"""The work that networks really do, counted by hand: a lost rewrite fails here. Counts, no times."""

import pytest
import torch

import segnet
from segnet.analysis import activation_memory, stage_costs

FLOAT = 4  # bytes
SIDE, LOW = 64, 32  # of the image, and of the features that are upsampled: 1,024 pixels, where every rule says yes
WIDTH, DEEP = 8, 16
PROJECTION = LOW**2 * DEEP * WIDTH
CONVOLUTION = SIDE**2 * 9 * WIDTH * WIDTH  # 3x3 at full size, 8 channels to 8


def decoder_work(*overrides: str) -> tuple[int, int]:
    """Multiply-accumulates of the decoder's one stage, and the bytes that a training step keeps in all."""
    network = segnet.build_network(
        ["data=shapes", f"encoder.widths=[{WIDTH},{DEEP}]", "encoder.depths=[1,1]", *overrides]
    )
    images = torch.rand(1, 3, SIDE, SIDE)
    macs = {stage.name: stage.macs for stage in stage_costs(network, images)}["decoder 0"]
    memory = activation_memory(network, images)
    return macs, sum(activation for activation, _ in memory.values())


# Upsampler; multiplications of its half of the convolution; values of the stamps that stand in for the kernel. That of
# nearest neighbour is a product of 16 x 9 for each pair of channels.
STAMPS = {"nearest": 16 * WIDTH * WIDTH, "bed_of_nails": 9 * WIDTH * WIDTH}
HALVES = [
    ("nearest", CONVOLUTION * 16 // 36 + 9 * STAMPS["nearest"]),
    ("bed_of_nails", CONVOLUTION * 9 // 36),
    ("bilinear", CONVOLUTION),
    ("max_unpool", CONVOLUTION),
]


def assert_freed(freed: int, pixels: int, upsampler: str) -> None:
    """Whole maps are no longer kept; a stamp is, and what it was made from, which is no more than that again."""
    assert 0 <= FLOAT * pixels - freed <= 2 * FLOAT * STAMPS.get(upsampler, 0)


@pytest.mark.parametrize(("upsampler", "half"), HALVES)
def test_without_skip(upsampler, half):
    plain, plain_bytes = decoder_work(f"upsampler={upsampler}", "skip=none", "model.exact_rewrites=false")
    exact, exact_bytes = decoder_work(f"upsampler={upsampler}", "skip=none")
    assert plain == PROJECTION + CONVOLUTION
    assert exact == PROJECTION + half
    # What the convolution keeps is the enlarged map, or nothing that was not kept before.
    assert_freed(plain_bytes - exact_bytes, WIDTH * SIDE**2 * (upsampler in STAMPS), upsampler)


@pytest.mark.parametrize(("upsampler", "half"), HALVES)
def test_concatenated_skip(upsampler, half):
    plain, plain_bytes = decoder_work(f"upsampler={upsampler}", "skip=concat", "model.exact_rewrites=false")
    exact, exact_bytes = decoder_work(f"upsampler={upsampler}", "skip=concat")
    assert plain == PROJECTION + 2 * CONVOLUTION
    assert exact == PROJECTION + CONVOLUTION + half
    # The concatenated copy has both halves; without it the encoder's is kept already, the enlarged one only if made.
    assert_freed(plain_bytes - exact_bytes, WIDTH * SIDE**2 * (2 if upsampler in STAMPS else 1), upsampler)


def test_separable_convolution_of_even_dilation_runs_at_the_low_resolution():
    exact, _ = decoder_work("upsampler=nearest", "skip=none", "convolution=atrous_separable")
    plain, _ = decoder_work(
        "upsampler=nearest", "skip=none", "convolution=atrous_separable", "model.exact_rewrites=false"
    )
    assert plain - PROJECTION == SIDE**2 * WIDTH * (9 + WIDTH)
    assert 4 * (exact - PROJECTION) == plain - PROJECTION


def test_head_and_projections_run_before_steps_without_a_block():
    network = segnet.build_network(
        ["data=shapes", "model=deeplabv3plus", "encoder=mobilenet_v3_small", "encoder.output_stride=16"]
    )
    stages = {stage.name: stage for stage in stage_costs(network, torch.rand(1, 3, SIDE, SIDE))}
    channels, classes = network.head.in_channels, network.head.out_channels
    last = network.decoder.stages[-1]
    # Steps to stride 2 and 1 have no block; the head runs before both if the last one brings no channels to a width.
    head_side = SIDE // 4 if isinstance(last.project, torch.nn.Identity) else SIDE // 2
    assert stages["head"].macs == head_side**2 * channels * classes
    # The step to stride 8 has no block either, so that the next one's projection runs at stride 16.
    before, after = network.decoder.stages[1].project[0].weight.shape[1::-1]
    module = next(m for m in stages["decoder 1"].modules if m.name.endswith("project.convolution"))
    assert module.macs == (SIDE // 16) ** 2 * before * after


def test_atrous_depthwise_convolutions_in_their_cheaper_forms():
    network = segnet.build_network(["data=shapes", "model=realtime", "encoder.widths=[4,4,4,8]"])
    network = network.to(memory_format=torch.channels_last)
    images = torch.rand(1, 3, 128, 128).contiguous(memory_format=torch.channels_last)
    forms = [form for stage in stage_costs(network, images) for form in stage.forms]
    expected = [f"depthwise 3x3, dilation {d} -> gradients by {d}x{d} phases" for d in (2, 4, 8)]
    # At stride 8 the map has 16x16 pixels.
    expected.append("depthwise 3x3, dilation 16 -> 1x1, the taps that see the map")
    assert [form for form in forms if form.startswith("depthwise")] == expected
