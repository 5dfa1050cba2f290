"""What a training computes belongs to its version: finished runs of an ablation count by it."""

from functools import reduce

import pytest

from scripts.training_version import CASES, differing, measure, read_stored
from segnet.ablation.design.runs import config_key
from segnet.config import compose, from_values, to_values
from segnet.training.version import ADDED_SETTINGS, TRAINING_VERSION
from tests.data.datasets.folder.outline_files import write_labelme

MEND = (
    "the same config trains to other losses than before: if that is meant, raise TRAINING_VERSION in "
    "segnet/training/version.py and call python -m scripts.training_version --write"
)


QUICK = ("max_unpool", "bilinear", "carafe", "super_resolution")


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_small_trainings_come_to_the_losses_of_their_version(case, tmp_path):
    version, stored = read_stored()
    assert version == TRAINING_VERSION, "call python -m scripts.training_version --write"
    assert not differing(stored, {case: measure(case, tmp_path / "run")}), MEND


def test_other_losses_are_noticed_and_rounding_is_not():
    stored = {"a": [1.0, 2.0], "b": [0.5]}
    assert differing(stored, {"a": [1.00001, 2.0], "b": [0.5]}) == []
    assert differing(stored, {"a": [1.001, 2.0], "b": [0.5, 0.5], "c": [1.0]}) == ["a", "b", "c"]


def test_runs_are_told_apart_by_the_version_and_not_by_where_data_lie(monkeypatch):
    overrides = ["data=camvid"]
    key = config_key(compose(overrides))
    assert config_key(compose([*overrides, "data.root=elsewhere/camvid", "data.download=true"])) == key
    assert config_key(compose([*overrides, "data.cache_dir=elsewhere", "data.cache_budget_gib=1"])) == key
    monkeypatch.setattr("segnet.ablation.design.runs.TRAINING_VERSION", TRAINING_VERSION + 1)
    assert config_key(compose(overrides)) != key


OF_FOLDERS = ("data.value_range", "data.dataset.value_range")
"""Settings of a data set made from files, which generated images do not have."""


def assert_neutral(config, paths):
    key = config_key(config)
    config.run_dir = ""  # the time is in it, and callbacks would have copies of it
    for path in paths:
        *parents, name = path.split(".")
        older = to_values(config)
        parent = reduce(lambda node, part: node[part], parents, older)
        assert parent.pop(name) == ADDED_SETTINGS[path], f"{path} is not {ADDED_SETTINGS[path]} by default"
        assert config_key(from_values(older)) == key


def test_a_setting_that_was_added_changes_a_run_only_where_it_is_set():
    config = compose(["data=shapes"])
    assert_neutral(config, [path for path in ADDED_SETTINGS if path not in OF_FOLDERS])
    assert config_key(compose(["data=shapes", "skip_steps=3"])) != config_key(config)


def test_a_setting_of_folders_that_was_added_changes_a_run_only_where_it_is_set(tmp_path):
    write_labelme(tmp_path)
    overrides = ["data=folder", f"data.root={tmp_path}"]
    config = compose(overrides)
    assert_neutral(config, OF_FOLDERS)
    assert config_key(compose([*overrides, "data.value_range=[0,4095]"])) != config_key(config)
