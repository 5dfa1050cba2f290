"""Every upsampler and every preset gives the network's output in both formats, at sizes that were not captured."""

import numpy as np
import pytest
import torch
from torch import nn

from segnet.build import build_network
from segnet.errors import UserError
from segnet.export.capture import capture, plain_copy
from segnet.export.check import check_parity
from segnet.export.onnx_file import open_session, to_onnx
from segnet.layers import BedOfNails, MaxUnpool
from segnet.layers.upsamplers import place_nails
from tests.models.combinations import PRESETS, choices, small_preset


def randomise_norms(network: nn.Module) -> nn.Module:
    """Give batch norms statistics that a wrong folding shows in."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            for value in (module.running_mean, module.weight, module.bias):
                nn.init.normal_(value, 1, 0.3)
    return network.eval()


SMALL = ["data=shapes", "encoder.widths=[4,8]", "encoder.depths=[1,1]"]
CASES = {
    **{f"upsampler-{name}": [*SMALL, f"upsampler={name}"] for name in choices("upsampler")},
    **{f"preset-{name}": small_preset(name) for name in PRESETS},
    **{f"convolution-{name}": [*SMALL, f"convolution={name}"] for name in choices("convolution")},
    "padded backbone": ["data=shapes", "encoder=timm", "encoder.name=mobilenetv3_small_050"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_files_agree_with_the_network(name):
    network = plain_copy(randomise_norms(build_network(CASES[name])))
    program = capture(network, 3)
    module = program.module()
    with torch.no_grad():
        check_parity(network, lambda images: module(torch.from_numpy(images)).numpy(), 3)
    session = open_session(to_onnx(program, "logits").SerializeToString(), 1)
    check_parity(network, lambda images: session.run(None, {"images": images})[0], 3)


def test_a_folded_graph_has_no_batch_norm_and_the_same_function():
    network = plain_copy(randomise_norms(build_network(["data=shapes", "encoder.widths=[4]", "encoder.depths=[2]"])))
    program = capture(network, 3)
    assert not [node for node in program.graph.nodes if "batch_norm" in str(node.target)]
    images = torch.rand(1, 3, 9, 14)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images), network(images), atol=1e-5, rtol=0)


def test_what_differs_or_has_another_shape_is_refused():
    network = nn.Conv2d(3, 2, 1)
    with pytest.raises(UserError, match=r"the exported file differs from the network by .* for 1 images of 61x45"):
        check_parity(network, lambda images: network(torch.from_numpy(images)).detach().numpy() + 0.1, 3)
    with pytest.raises(UserError, match=r"the exported file differs from the network by nan"):
        check_parity(network, lambda images: np.full((len(images), 2, *images.shape[2:]), np.nan, np.float32), 3)
    with pytest.raises(UserError, match=r"returns \(1, 3, 45, 61\) where the network returns \(1, 2, 45, 61\)"):
        check_parity(network, lambda images: images, 3)


def test_only_a_network_that_unpools_gets_other_images():
    """There two values of a window that are nearly equal may change places."""

    class Unpooling(nn.Conv2d):
        def __init__(self):
            super().__init__(3, 2, 1)
            self.upsampler = MaxUnpool(2)

    network, calls = Unpooling(), []

    def run(images):
        calls.append(images)
        return network(torch.from_numpy(images)).detach().numpy() + (len(calls) == 1)

    assert check_parity(network, run, 3).redrawn == 1


@pytest.mark.parametrize("size", [(8, 10), (7, 9), (6, 8), (4, 5)])
def test_nails_are_exported_for_any_size(size):
    class Nails(nn.Module):
        def forward(self, features):
            return BedOfNails(2)(features, size)

    features = torch.rand(1, 2, 4, 5)
    program = torch.export.export(Nails(), (features,), strict=False)
    torch.testing.assert_close(program.module()(features), place_nails(features, size), atol=0, rtol=0)
