"""A run folder of somebody else's is data: what its config names is checked by name before anything is imported."""

import importlib
import json
from pathlib import Path

import pytest
import yaml

import segnet
from segnet.ablation.experiment import EVERY_RUN
from segnet.config import compose, config_dir, load_config, to_run_yaml
from segnet.errors import UserError
from segnet.trusted_classes import OF_EXPERIMENTS, OTHERS, TARGET, allow_code, named_in, targets
from tests.conftest import TINY


@pytest.fixture(scope="module")
def composed():
    """The content of a run's config."""
    return to_run_yaml(compose(TINY))


@pytest.fixture
def stranger(composed, tmp_path):
    """Write a run whose config holds what a stranger put there."""
    values = yaml.safe_load(composed)
    values["data"]["dataset"] |= {"images": {"train": 8, "val": 3, "test": 4}}

    def write(change, text=lambda text: text):
        change(values)
        (tmp_path / "config.yaml").write_text(text(yaml.safe_dump(json.loads(json.dumps(values)))))
        return tmp_path

    return write


ATTACKS = [
    {"_target_": "torch.load", "f": "x", "weights_only": False},
    {"_target_": "numpy.load", "file": "x", "allow_pickle": True},
    {"_target_": "joblib.load", "filename": "x"},
    {"_target_": "os.system", "command": "touch executed"},
    {"_target_": "subprocess.run", "_args_": [["touch", "executed"]]},
    {"_target_": "builtins.exec", "_args_": ["1"]},
    {"_target_": "pathlib.Path.write_text", "_args_": ["x", "y"]},
    {"_target_": "hydra.utils.get_method", "path": "os.system"},
    {"_target_": "hydra.utils.instantiate", "_args_": [{}]},
    {"_target_": "segnet.run_folder.write_whole", "path": "executed", "content": "x"},
    {"_target_": "segnet.cli.entry.run_command", "name": "x"},
    {"_target_": "segnet.layers.Bilinear.__init__.__globals__", "_partial_": True},
    {"_target_": "torch.hub.load", "repo_or_dir": "x/y"},
    {"_target_": "tests.test_trusted_classes.Mine"},
    {"_target_": ["os.system"]},
    {"_target_": 3},
]


class Mine:
    """A class of a user's own."""


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: str(attack["_target_"]))
@pytest.mark.parametrize("place", ["decoder", "class_weights", "data"])
def test_what_is_not_listed_is_refused_before_it_is_imported(stranger, monkeypatch, attack, place):
    monkeypatch.setattr(importlib, "import_module", None)
    run = stranger(lambda values: values.update({place: {**values["data"], "x": [{"y": attack}]}}))
    with pytest.raises(UserError, match=r"is no part of segnet and could do anything: if you trust .* allow_code=true"):
        load_config(run)


def test_the_run_of_a_class_of_ones_own_opens_when_it_is_allowed(stranger):
    own = f"{__name__}.Mine"
    run = stranger(lambda values: values.update(mine={"_target_": own}))
    with pytest.raises(UserError, match=r"names tests\.test_trusted_classes\.Mine"):
        segnet.load(run)
    with allow_code():
        assert load_config(run).mine._target_ == own
    with pytest.raises(UserError, match=r"has no checkpoint"):  # the config has been accepted
        segnet.load(run, allow_code=True)
    with pytest.raises(UserError, match=r"names tests\.test_trusted_classes\.Mine"):
        load_config(run)


def test_a_class_that_ones_own_configs_name_is_trusted(stranger, tmp_path, monkeypatch):
    monkeypatch.setattr("segnet.trusted_classes._trusted", set())
    run = stranger(lambda values: values["model"].update(mine={"_target_": "tests.conftest.Absent"}))
    with pytest.raises(UserError, match="could do anything"):
        load_config(run)
    compose(["+mine={_target_: tests.conftest.Absent}"])
    assert load_config(run).model.mine._target_ == "tests.conftest.Absent"
    (tmp_path / "own" / "upsampler").mkdir(parents=True)
    (tmp_path / "own" / "upsampler" / "mine.yaml").write_text("_target_: my.Mine\nb: {'_target_': \"my.Other\"}\n")
    assert named_in(tmp_path / "own") == {"my.Mine", "my.Other"}


@pytest.mark.parametrize("reference", ["${oc.env:HOME}", "${seed}", "a${oc.decode:x}", "${run_dir:x}"])
def test_no_reference_is_resolved(stranger, reference):
    run = stranger(lambda values: values["data"].update(root=[reference]))
    with pytest.raises(UserError, match=r"config\.yaml holds the reference .*\$.* is not resolved"):
        load_config(run)


def test_a_callback_writes_into_the_run_alone(stranger, tmp_path):
    run = stranger(lambda values: values["callbacks"]["history"].update(run_dir="/home/you"))
    with pytest.raises(UserError, match=r"has callbacks\.history write into /home/you: put \$\{run_dir\} there"):
        load_config(run)


def test_data_come_from_no_address_that_a_run_names(stranger):
    run = stranger(lambda values: values["data"]["dataset"].update(url="http://example.org/x.zip"))
    with pytest.raises(UserError, match=r"fetches data from http://example\.org/x\.zip: remove it, or add allow_code"):
        load_config(run)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "refers to parts of itself by aliases"),
        ("a: " + "[" * 5000 + "]" * 5000 + "\n", "is not a YAML file"),
        ("a: !!python/object/apply:os.system [x]\n", "is not a YAML file"),
        ("a: " + "x" * 4_000_001, "has more than 4,000,000 characters"),
    ],
    ids=["aliases", "depth", "tags", "size"],
)
def test_a_config_that_is_a_trap_is_refused(stranger, text, message):
    run = stranger(lambda values: None, lambda config: config + text)
    with pytest.raises(UserError, match=message):
        load_config(run)


def test_runs_of_an_experiment_open_as_others_do(tmp_path, monkeypatch):
    monkeypatch.setattr("segnet.trusted_classes._trusted", set())  # composing trusts what it is given
    (tmp_path / "config.yaml").write_text(to_run_yaml(compose([*TINY, *EVERY_RUN])))
    monkeypatch.setattr("segnet.trusted_classes._trusted", set())
    assert "batch_record" in load_config(tmp_path).callbacks


def test_what_the_package_adds_to_configs_is_known():
    package = Path(segnet.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    named = {name for text in texts for name in TARGET.findall(text)}
    assert named
    assert named <= named_in(config_dir()) | OTHERS | OF_EXPERIMENTS


def test_what_is_listed_is_there():
    for name in OTHERS:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
    shipped = named_in(config_dir())
    assert "segnet.models.SegmentationNetwork" in shipped
    assert all(name.split(".")[0] in ("segnet", "torch", "pytorch_lightning") for name in shipped)
    assert set(targets(yaml.safe_load(to_run_yaml(compose([]))))) <= shipped
