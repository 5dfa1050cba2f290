import json

import pytest
import torch

import segnet
from segnet.analysis import profile_network, random_images
from segnet.analysis.profile import inference_workload, precision_context, training_workload
from segnet.errors import UserError

OVERRIDES = ["data=shapes", "encoder.widths=[4,8]", "encoder.depths=[1,1]"]


def test_profile_joins_what_is_measured_and_is_plain_json() -> None:
    network, images = segnet.build_network(OVERRIDES), random_images(2, 3, (16, 24))
    profile = profile_network("small", network, images, images, plain=segnet.build_network(OVERRIDES))
    content = json.loads(json.dumps(profile.as_dict()))
    assert content["totals"]["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert content["totals"]["plain_macs"] == content["totals"]["macs"] > 0
    assert [field["stage"] for field in content["receptive_fields"]][-1] == "head"
    assert "energy" not in content["effective_field"]
    # A skip connection's two halves stand one behind the other, and so does the memory.
    assert content["totals"]["activation_bytes"] == sum(stage["activation_bytes"] for stage in content["stages"])


def test_workloads_leave_the_network_alone() -> None:
    network, images = segnet.build_network(OVERRIDES).train(), random_images(2, 3, (16, 16))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    inference_workload(network, images, "bf16-mixed")()
    training_workload(network, images, "32-true")()
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_precision() -> None:
    with precision_context("bf16-mixed", "cpu"):
        assert torch.is_autocast_enabled("cpu")
    with precision_context("32-true", "cpu"):
        assert not torch.is_autocast_enabled("cpu")
    with pytest.raises(UserError, match="precision=64-true cannot be profiled: choose auto, 32-true"):
        precision_context("64-true", "cpu")
