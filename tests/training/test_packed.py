"""A packed set trains as the set that it was packed from."""

import signal
from functools import partial

import pytest
import torch
import yaml

import segnet
from scripts.forked import finish, start
from segnet.build import data_from_config
from segnet.config import compose, load_config
from segnet.errors import UserError
from segnet.training.run import train
from segnet.trusted_classes import allow_code
from tests.conftest import TINY
from tests.data.packed_sets import pack_set
from tests.training.test_interruption import send

OF_SHAPES = ("data=", "data.size=", "data.images=", "data.batch_size=", "data.augmentation")
OTHERS = [text for text in TINY if not text.startswith(OF_SHAPES)]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack_set(tmp_path_factory.mktemp("packed") / "shapes", *TINY)


def trained(packed, run, *settings):
    config = compose([*OTHERS, "data=packed", f"data.root={packed}", "trainer.max_epochs=2", *settings])
    train(config, run)
    return weights(run)


def weights(run):
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_the_weights_are_those_of_the_original_set(packed, tiny_config, tmp_path):
    train(tiny_config(), tmp_path / "original")
    assert same(trained(packed, tmp_path / "packed"), weights(tmp_path / "original"))


@pytest.mark.slow
def test_a_folder_trains_to_the_same_weights_with_loaders_of_its_own(write_camvid, tmp_path):
    root = write_camvid(tmp_path / "camvid", images=8, size=(16, 24))
    settings = ("data.augmentation.crop=[16,24]", "data.batch_size=4", "data.num_workers=2", "trainer.max_epochs=2")
    original = ["data=camvid", f"data.root={root}", "data.cache_budget_gib=0", "data.verify=false", *settings]
    train(compose([*OTHERS, *original]), tmp_path / "original")
    packed = pack_set(tmp_path / "packed", "data=camvid", f"data.root={root}")
    assert same(trained(packed, tmp_path / "run", *settings), weights(tmp_path / "original"))


def test_a_run_that_is_stopped_in_an_epoch_goes_on_with_the_same_chunks(packed, tmp_path, monkeypatch):
    windowed = ("data.window=1", "data.batch_size=2")
    whole, run = trained(packed, tmp_path / "whole", *windowed), tmp_path / "run"
    with monkeypatch.context() as patch:
        send(signal.SIGTERM, "on_train_batch_end", 1, patch)
        with pytest.raises(SystemExit):
            trained(packed, run, *windowed)
    assert 4 < torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] < 8
    train(load_config(run), run, resume=True)
    assert same(weights(run), whole)


@pytest.mark.slow
def test_two_processes_train_on_chunks(packed, tmp_path):
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.window=2", "data.num_workers=1")
    overrides = [*OTHERS, *two, "data=packed", f"data.root={packed}", "trainer.max_epochs=1"]
    output = tmp_path / "output.txt"
    codes = finish(start(partial(train, compose(overrides), tmp_path / "run"), 2, output))
    assert codes == [0, 0], output.read_text()
    assert all(value.isfinite().all() for value in weights(tmp_path / "run").values())


def test_a_strangers_run_fetches_nothing_from_an_address(packed, tmp_path):
    trained(packed, tmp_path, "trainer.max_epochs=1")
    path, address = tmp_path / "config.yaml", f"local:{packed}"
    values = yaml.safe_load(path.read_text())
    values["data"]["dataset"] |= {"root": address, "cache_dir": str(tmp_path / "cache")}
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"the run fetches its data from local:.*: add allow_code=true if you trust it"):
        data_from_config(load_config(tmp_path))
    segnet.load(tmp_path)  # which needs no data
    with allow_code():
        assert len(data_from_config(load_config(tmp_path)).split("train").ids) == 8
    compose(["data=packed", f"data.root={address}"])  # the user names the same place
    assert len(data_from_config(load_config(tmp_path)).split("test").ids) == 4
