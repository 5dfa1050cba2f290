"""What against_smp.py compares is the same network on both sides."""

import pytest

pytest.importorskip("segmentation_models_pytorch", reason="needs the extra benchmark: pip install -e '.[benchmark]'")
pytest.importorskip("timm", reason="needs the extra timm: pip install -e '.[timm]'")

import torch

from scripts.benchmarks import architectures
from segnet.analysis import count_parameters


@pytest.mark.parametrize(
    ("name", "parameters"), [("unet", 14_329_659), ("deeplabv3plus", 2_714_203), ("segnet", 7_363_531)]
)
def test_both_sides_have_the_same_parameters_and_the_same_function(name, parameters):
    architecture = architectures.ARCHITECTURES[name]
    ours, other = architectures.build_ours(architecture), architecture.other(classes=11)
    assert count_parameters(ours) == count_parameters(other) == parameters
    if name == "deeplabv3plus":
        assert architectures.largest_difference(ours.float(), other.float()) > 1e-3  # x4 at once, aligned corners
        architectures.enlarge_in_two_steps(other)
    assert architectures.largest_difference(ours, other, (64, 96)) < 1e-12


def test_copying_refuses_other_networks():
    with pytest.raises(RuntimeError, match="1 and 2 layers"):
        architectures.copy_weights(
            torch.nn.Conv2d(1, 1, 1), torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
        )
    with pytest.raises(RuntimeError, match="size mismatch"):
        architectures.copy_weights(torch.nn.Conv2d(1, 1, 1), torch.nn.Conv2d(1, 2, 1))
