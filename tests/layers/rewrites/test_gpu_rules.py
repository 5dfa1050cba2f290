"""Which exact forms run on a GPU, decided on fake tensors that say that they lie on one."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from segnet import layers
from segnet.layers.rewrites.rules import Rules
from segnet.layers.rewrites.upsampling import fuse

ON_CPU = {
    ("Nearest", "3x3", False): ["Nearest + 3x3 -> transposed 4x4"],
    ("Nearest", "3x3", True): ["concatenation + 3x3 -> 2 slices", "Nearest + 3x3 -> transposed 4x4"],
    ("Bilinear", "3x3", True): ["concatenation + 3x3 -> 2 slices"],
}
ON_GPU = {
    ("Nearest", "3x3", False): [],
    ("Nearest", "3x3", True): [],
    ("Bilinear", "3x3", True): [],
    ("Bilinear", "1x1", True): ["concatenation + 1x1 -> 2 slices", "Bilinear + 1x1 -> 1x1 first"],
    ("BedOfNails", "1x1", True): ["concatenation + 1x1 -> 2 slices", "BedOfNails + 1x1 -> 1x1 first"],
    ("BedOfNails", "3x3", False): ["BedOfNails + 3x3 -> transposed 3x3"],
    ("BedOfNails", "3x3", True): [],
}


def forms_that_run(device: str, upsampler: str, kernel: str, stacks: bool) -> list[str]:
    forms: list[str] = []
    with FakeTensorMode(), torch.device(device):
        convolution = layers.RegularConvolution(32 if stacks else 16, 8, kernel_size=int(kernel[0]))
        fused = fuse(getattr(layers, upsampler)(16), convolution, Rules(listener=forms.append), stacks)
        assert fused is not None
        skip = torch.empty(2, 16, 64, 80) if stacks else None
        assert fused(torch.empty(2, 16, 32, 40), (64, 80), skip).shape == (2, 8, 64, 80)
    return forms


@pytest.mark.parametrize(("case", "forms"), ON_CPU.items(), ids=str)
def test_on_a_cpu_slices_and_transposed_convolutions_pay(case, forms):
    assert forms_that_run("cpu", *case) == forms


@pytest.mark.parametrize(("case", "forms"), ON_GPU.items(), ids=str)
def test_on_a_gpu_a_form_runs_where_it_was_faster(case, forms):
    assert forms_that_run("cuda", *case) == forms
