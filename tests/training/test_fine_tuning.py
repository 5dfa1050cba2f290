"""Frozen parts stay as they are to the bit, and parts with a factor learn at their own rate."""

import csv
import logging

import pytest
import torch
from torch import nn

from segnet.build import data_from_config, network_from_config, task_from_config
from segnet.checkpoint_file import read_checkpoint
from segnet.config import compose
from segnet.errors import UserError
from segnet.training.fine_tuning import freeze, parameter_groups, rate_factors
from segnet.training.run import build_module, train
from tests.conftest import TINY
from tests.training.test_resuming import SIX_BATCHES, assert_same_run, resume_after_kill


@pytest.fixture(autouse=True)
def _without_scores(monkeypatch):
    monkeypatch.setattr("segnet.training.run.score_both_splits", lambda *_: {})
    monkeypatch.setattr("segnet.training.finish.count_macs", lambda *_: 0)


def trained(folder, name="last"):
    state = read_checkpoint(folder / f"checkpoints/{name}.ckpt")["state_dict"]
    return {key.removeprefix("network."): value for key, value in state.items()}


def changed(before, after):
    """Return the names of the tensors that differ."""
    return {key for key in before if not torch.equal(before[key], after[key])}


@pytest.mark.parametrize(
    "chosen",
    [
        ("upsampler=max_unpool",),
        ("convolution=atrous_separable", "upsampler=nearest", "skip_steps=1"),
        ("callbacks=average", "callbacks.average.decay=0.5"),
        ("task=segmentation_auxiliary", "task.auxiliary.stride=2", "task.auxiliary.width=4"),
    ],
)
def test_a_frozen_encoder_keeps_weights_and_statistics_and_all_else_learns(tiny_config, tmp_path, chosen):
    config = tiny_config("freeze=[encoder]", *chosen)
    before = network_from_config(config).state_dict()
    train(config, tmp_path)
    moved = changed(before, trained(tmp_path))
    assert moved == {name for name in before if not name.startswith("encoder.")}
    assert any("running_mean" in name for name in before if name.startswith("encoder."))


def test_a_stage_is_frozen_and_one_of_a_similar_name_is_not(tiny_config, tmp_path):
    widths = f"encoder.widths=[{','.join(['4'] * 11)}]"
    depths = f"encoder.depths=[{','.join(['1'] * 11)}]"
    network = network_from_config(tiny_config(widths, depths))
    freeze(network, ["encoder.stages.1", "head"])
    held = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert held == {n for n, _ in network.named_parameters() if n.startswith(("encoder.stages.1.", "head."))}
    assert any(name.startswith("encoder.stages.10.") for name, _ in network.named_parameters())


@pytest.mark.slow
def test_a_frozen_pretrained_backbone_stays(tiny_config, tmp_path):
    tiny = [text for text in TINY if not text.startswith(("encoder.", "data.augmentation"))]
    config = compose(
        [*tiny, "trainer.max_epochs=1", "encoder=resnet18", "freeze=[encoder.backbone.layer1,encoder.backbone.layer2]"]
    )
    before = network_from_config(config).state_dict()
    train(config, tmp_path)
    held = ("encoder.backbone.layer1.", "encoder.backbone.layer2.")
    assert changed(before, trained(tmp_path)) == {name for name in before if not name.startswith(held)}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["freeze=[encodr]"],
            r"^freeze names encodr, and .* \(did you mean encoder\?\): it has encoder, decoder, head$",
        ),
        (
            ["freeze=[encoder.stages.7]"],
            r"did you mean encoder\.stages\.\d\?\): encoder\.stages has encoder\.stages\.0, encoder\.stages\.1$",
        ),
        (["freeze=[context]"], r"^freeze names context, and the network has no such part with parameters"),
        (["freeze=[encoder,decoder,head]"], r"^freeze=\[encoder,decoder,head\] leaves nothing to be trained"),
        (["freeze=encoder"], r"^freeze=encoder is not allowed: give a list of parts, as in freeze=\[encoder\]"),
        (["lr_of={backbone:0.1}"], r"^lr_of names backbone, and the network has no such part"),
        (["lr_of={encoder:0}"], r"^lr_of\.encoder=0 is not allowed: give a number above 0; freeze keeps a part"),
        (["lr_of={encoder:fast}"], r"^lr_of=.*fast.* is not allowed: give factors by part"),
        (["lr_of={encoder.stages.0:0.1}", "freeze=[encoder]"], r"^lr_of\.encoder\.stages\.0=0\.1 is of no use, since"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_names_that_exist(tiny_config, tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        train(tiny_config(*overrides), tmp_path)


def test_the_innermost_factor_counts():
    network = nn.ModuleDict({"a": nn.ModuleDict({"b": nn.Linear(1, 1), "c": nn.Linear(1, 1)}), "d": nn.Linear(1, 1)})
    factors = rate_factors(network, {"a.b": 0.5, "a": 0.1})
    named = {name: factors.get(parameter) for name, parameter in network.named_parameters()}
    assert named == {
        "a.b.weight": 0.5,
        "a.b.bias": 0.5,
        "a.c.weight": 0.1,
        "a.c.bias": 0.1,
        "d.weight": None,
        "d.bias": None,
    }
    groups = parameter_groups(network.parameters(), factors)
    assert [(factor, len(group["params"]), group.get("weight_decay")) for factor, group in groups] == [
        *((1.0, 1, None), (1.0, 1, 0.0)),
        *((0.5, 1, None), (0.5, 1, 0.0), (0.1, 1, None), (0.1, 1, 0.0)),
    ]


def test_plain_sgd_moves_a_part_by_its_factor(tiny_config):
    """One step of the same gradient: the whole network's step, times the factor of each part."""
    settings = ("optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0")

    def step(*overrides):
        config = tiny_config(*settings, "scheduler=constant", "optimizer.lr=0.5", *overrides)
        network = network_from_config(config)
        module = build_module(config, task_from_config(config), data_from_config(config), network)
        module._trainer = type("Trainer", (), {"estimated_stepping_batches": 4, "gradient_clip_val": None})()
        optimizer = module.configure_optimizers()["optimizer"]
        before = [parameter.detach().clone() for parameter in network.parameters()]
        for parameter in network.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        after = dict(network.named_parameters()).items()
        return {name: (value - old).mean().item() for (name, value), old in zip(after, before, strict=True)}

    moved = step("lr_of={encoder:0.1,encoder.stages.1:0.5}")
    for name, by in moved.items():
        factor = 0.5 if name.startswith("encoder.stages.1") else 0.1 if name.startswith("encoder") else 1.0
        assert by == pytest.approx(-0.5 * factor, rel=1e-4), name


def test_rates_follow_the_schedule_and_are_logged(tiny_config, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    train(tiny_config("lr_of={encoder:0.1}", "scheduler=poly", "scheduler.power=1.0"), tmp_path)
    assert "learning rates: encoder 0.002; all else 0.02" in caplog.text
    groups = read_checkpoint(tmp_path / "checkpoints/best.ckpt")["optimizer_states"][0]["param_groups"]
    rates = [group["lr"] for group in groups]
    assert rates == pytest.approx([rates[0], rates[0], rates[0] / 10, rates[0] / 10])
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert [float(row["lr"]) for row in rows] == pytest.approx([0.01, 0.0])


def test_frozen_random_values_are_warned_of(tiny_config, tmp_path, caplog):
    train(tiny_config("freeze=[encoder]", "trainer.max_epochs=1"), tmp_path)
    assert "the frozen parts have random values" in caplog.text


@pytest.mark.slow
def test_a_fine_tuning_killed_within_an_epoch_continues_with_the_same_bits(tiny_config, tmp_path):
    train(tiny_config(*SIX_BATCHES, "trainer.max_epochs=1"), tmp_path / "first")
    chosen = ("freeze=[encoder.stages.0]", "lr_of={encoder:0.1,head:3}", f"init={tmp_path / 'first'}")
    config = tiny_config(*SIX_BATCHES, "checkpoint.every_n_steps=2", *chosen)
    train(config.copy(), tmp_path / "whole")
    resume_after_kill(config, tmp_path / "killed", 1, 5)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")
