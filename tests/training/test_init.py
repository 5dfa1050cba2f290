"""Fine-tuning: a training that starts from another one's weights."""

import logging

import pytest
import torch

import segnet
from segnet.build import build_network, load_network, start_from
from segnet.errors import UserError
from segnet.training.run import train

SMALL = ["data=shapes", "encoder.widths=[4,8]", "encoder.depths=[1,1]"]


def test_other_classes_get_a_new_head_and_the_rest_is_loaded():
    network = build_network([*SMALL, "seed=1", "task.outputs=7"])
    head = {name: value.clone() for name, value in network.state_dict().items() if name.startswith("head")}
    source = build_network([*SMALL, "seed=2"])
    torch.nn.init.normal_(source.get_submodule("decoder.stages.0.block.0.norm").running_mean)
    path = "weights.pt"
    assert set(_start(network, source, path)) == set(head)
    for name, value in network.state_dict().items():
        assert torch.equal(value, head[name] if name in head else source.state_dict()[name]), name


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _start(network, source, path) -> list[str]:
    torch.save(source.state_dict(), path)
    return start_from(network, path)


def test_a_training_starts_from_a_run_and_says_what_is_new(tiny_config, tmp_path, caplog):
    train(tiny_config("trainer.max_epochs=1"), tmp_path / "first")
    caplog.set_level(logging.INFO)
    still = ("trainer.max_epochs=1", "optimizer.lr=1e-12", f"init={tmp_path / 'first'}")
    train(tiny_config(*still, "+data.classes.more=[4,4,4]"), tmp_path / "second")
    assert "new: head.weight, head.bias" in caplog.text
    first, second = load_network(tmp_path / "first").state_dict(), load_network(tmp_path / "second").state_dict()
    learned = [name for name, _ in load_network(tmp_path / "first").named_parameters() if not name.startswith("head")]
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in learned)
    assert segnet.load(tmp_path / "second").classes[-1] == "more"


def test_what_gives_no_start_is_a_sentence(tmp_path):
    network = build_network(SMALL)
    with pytest.raises(UserError, match="init=nowhere does not exist: give a run folder or a file of weights"):
        start_from(network, "nowhere")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(UserError, match=r"text\.pt holds no weights"):
        start_from(network, tmp_path / "text.pt")
    with pytest.raises(UserError, match=r"has no checkpoint best\.ckpt: it did not finish an epoch"):
        start_from(network, tmp_path)
    torch.save({"other": torch.ones(3)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"has no weights that fit this network"):
        start_from(network, tmp_path / "other.pt")
