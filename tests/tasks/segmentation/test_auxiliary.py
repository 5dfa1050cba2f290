import pytest
import torch
from torch import nn

import segnet
from segnet.errors import UserError
from segnet.layers import MaxPool, RegularConvolution
from segnet.losses import CrossEntropy
from segnet.models import PlainEncoder
from segnet.tasks.segmentation.auxiliary import AuxiliaryLoss
from segnet.training.run import train


def encoder() -> PlainEncoder:
    return PlainEncoder(3, [4, 6, 8], [1, 1, 1], RegularConvolution, MaxPool)


def test_it_is_the_weighted_loss_of_the_stage_against_the_nearest_labels():
    stages, loss = encoder(), CrossEntropy(255)
    auxiliary = AuxiliaryLoss(stages, 5, loss, seed=0, stride=4, weight=0.3, width=7)
    images, labels = torch.rand(2, 3, 16, 12), torch.randint(0, 5, (2, 16, 12), dtype=torch.uint8)
    features = stages(images).features[2]
    logits = auxiliary.head(features)
    expected = 0.3 * loss(logits, labels[:, 2::4, 2::4])
    (found,) = auxiliary.means(labels)
    assert found.value.item() == pytest.approx(expected.item())
    assert found.weight == 2 * 4 * 3
    assert logits.shape == (2, 5, 4, 3)


def test_it_trains_the_encoder_and_rests_in_evaluation():
    stages = encoder()
    auxiliary = AuxiliaryLoss(stages, 5, CrossEntropy(255), seed=0, stride=2)
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    stages(torch.rand(1, 3, 8, 8))
    auxiliary.means(labels)[0].value.backward()
    assert stages.stages[1][0].convolution.weight.grad.abs().sum() > 0
    assert stages.stages[2][0].convolution.weight.grad is None
    assert auxiliary.means(labels) == []  # each forward pass is learned from once
    auxiliary.eval()
    stages(torch.rand(1, 3, 8, 8))
    assert auxiliary.means(labels) == []


def test_a_stride_without_a_stage_is_refused():
    with pytest.raises(
        UserError, match=r"task.auxiliary.stride=8 is no stride of PlainEncoder: choose among \[1, 2, 4"
    ):
        AuxiliaryLoss(encoder(), 5, CrossEntropy(255), seed=0)


@pytest.mark.slow
def test_the_run_keeps_the_network_alone(tiny_config, tmp_path):
    plain = train(tiny_config("trainer.max_epochs=1"), tmp_path / "plain")
    chosen = ("task=segmentation_auxiliary", "task.auxiliary.stride=2", "callbacks=average")
    helped = train(tiny_config(*chosen), tmp_path / "helped")
    assert helped["params"] == plain["params"]
    one, two = (
        segnet.load(tmp_path / "plain").network.state_dict(),
        segnet.load(tmp_path / "helped").network.state_dict(),
    )
    assert one.keys() == two.keys()
    checkpoint = torch.load(tmp_path / "helped/checkpoints/last.ckpt", weights_only=True)
    head = [name for name in checkpoint["state_dict"] if name.startswith("auxiliary.")]
    assert head
    trained = sum(len(group["params"]) for group in checkpoint["optimizer_states"][0]["param_groups"])
    expected = sum(1 for _ in segnet.load(tmp_path / "plain").network.parameters())
    assert trained == expected + sum(1 for name in head if name.endswith(("weight", "bias")))


def test_its_start_depends_on_the_seed_alone():
    starts = [AuxiliaryLoss(encoder(), 5, nn.Identity(), seed, stride=4).head[1].weight for seed in (0, 0, 1)]
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])
