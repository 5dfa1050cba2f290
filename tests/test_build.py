from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

import segnet
from segnet.build import data_from_config, set_data_root
from segnet.config import compose, config_dir, instantiate, load_config
from segnet.errors import UserError
from segnet.training.trainer import build_trainer
from tests.conftest import TINY
from tests.data.packed_sets import pack_set

# Plans of ablations belong to another root config: tests/cli/test_ablate.py composes them.
ELSEWHERE = {"ablation", "hydra"}
GROUPS = sorted(path.name for path in config_dir().iterdir() if path.is_dir() and path.name not in ELSEWHERE)
CHOICES = [
    (group, path.stem)
    for group in GROUPS
    for path in sorted((config_dir() / group).glob("*.yaml"))
    if path.stem != "base"
]
# Parts that no package of the plain installation builds; composing them is tested all the same.
OPTIONAL = {("logger", "wandb"), ("logger", "mlflow")}


def test_every_group_has_choices():
    assert {"data", "encoder", "upsampler", "model", "trainer"} <= set(GROUPS)
    assert all(any(group == name for name, _ in CHOICES) for group in GROUPS)


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_yaml_is_composed_and_built(group, choice, tmp_path, write_camvid):
    config = compose([f"{group}={choice}", f"run_dir={tmp_path}"])
    if (group, choice) == ("data", "folder"):
        config.data.root = str(write_camvid(tmp_path, images=9))
    if (group, choice) == ("data", "packed"):
        config.data.root = str(pack_set(tmp_path / "packed", *TINY))
    if (group, choice) == ("task", "segmentation_multilabel"):
        config.data.classes = {"background": [0, 0, 0], "cell": [1, 1, 1], "cell+nucleus": [2, 2, 2]}
    if group == "experiment":
        assert isinstance(instantiate(config.model), torch.nn.Module)
        return
    if group == "debug":  # tests/training/test_aids.py trains with each
        assert isinstance(build_trainer(config, []), pl.Trainer)
        return
    if group == "data":
        assert data_from_config(config).classes == list(config.data.classes)
        return
    if (group, choice) in OPTIONAL:
        assert len(config.logger) == 1
        return
    node = config.data[group] if group in ("augmentation", "mix") else config[group]
    if (group, choice) == ("mix", "none"):
        assert node is None
        return
    if group in ("callbacks", "logger"):
        for part in (node or {}).values():
            instantiate(part)
        return
    assert instantiate(node) is not None


@pytest.mark.parametrize(
    "path", sorted(config_dir().glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_yaml_begins_with_what_it_is(path):
    """``segnet-train --help GROUP`` prints these lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# "), path
    assert len(first.split()) > 2


def test_a_network_from_python_takes_overrides():
    network = segnet.build_network(["data=camvid", "upsampler=max_unpool", "skip=none", "encoder.widths=[4,6,8]"])
    assert network.num_classes == 11
    assert network.encoder.channels == (4, 6, 8)
    assert network(torch.rand(2, 3, 13, 10)).shape == (2, 11, 13, 10)


def test_an_unknown_choice_lists_what_there_is():
    with pytest.raises(UserError, match=r"Could not find 'upsampler/lanczos'(?s:.)*bilinear"):
        segnet.build_network(["upsampler=lanczos"])


def test_an_unknown_key_is_refused():
    with pytest.raises(UserError, match=r"Could not override 'encoder\.width'"):
        segnet.build_network(["encoder.width=[4]"])


def test_max_unpool_behind_strides_is_refused_with_the_mend():
    with pytest.raises(UserError, match=r"MaxUnpool needs pool indices, but PlainEncoder keeps none .*max_pool"):
        segnet.build_network(["upsampler=max_unpool", "downsampling=strided"])


def test_arms_share_the_bits_of_all_shared_parameters():
    plain = dict(segnet.build_network(["upsampler=nearest"]).named_parameters())
    learned = dict(segnet.build_network(["upsampler=transposed_conv"]).named_parameters())
    assert set(plain) < set(learned)
    assert all(torch.equal(plain[name], learned[name]) for name in plain)


def test_seeds_start_differently_and_repeat():
    one, again, other = (segnet.build_network([f"seed={seed}"]).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    kernels = [name for name in one if name.endswith("convolution.weight")]
    assert kernels
    assert not any(torch.equal(one[name], other[name]) for name in kernels)


def test_what_is_no_run_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is not a run folder: it has no config.yaml"):
        segnet.load(tmp_path)
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(UserError, match=r"config\.yaml is damaged: it has no name, channels_last, data, model"):
        load_config(tmp_path)


def test_the_shipped_configs_lie_beside_the_package_in_a_checkout():
    assert config_dir() == Path(segnet.__file__).parent.parent / "configs"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        segnet.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("overrides", "epochs"),
    [
        ([], 12),
        (["data=camvid"], 50),
        (["data=shapes"], 50),
        (["experiment=camvid_ablation"], 40),
        (["experiment=camvid_gpu"], 1000),
        (["experiment=shapes_superres"], 20),
        (["data=camvid", "epochs=3"], 3),
        (["epochs=3", "trainer.max_epochs=4"], 4),
    ],
)
def test_a_training_is_as_long_as_its_recipe_says(overrides, epochs):
    assert compose(overrides).trainer.max_epochs == epochs


def test_data_of_a_stored_config_are_found_below_segnet_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGNET_DATA", "elsewhere")
    config = compose(["data=camvid", "data.root=data/camvid"])
    set_data_root(config, None)
    assert config.data.dataset.root == "elsewhere/camvid"
    (tmp_path / "data" / "camvid").mkdir(parents=True)
    config = compose(["data=camvid", "data.root=data/camvid"])
    set_data_root(config, None)
    assert config.data.dataset.root == "data/camvid"
    set_data_root(config, "given")
    assert config.data.dataset.root == "given"
    with pytest.raises(UserError, match="data_root=given is of no use: data=shapes has no folder; leave it out"):
        set_data_root(compose(["data=shapes"]), "given")
