"""What a training computes belongs to its version: finished runs of an ablation count by it."""

from functools import reduce

import pytest

from scripts.training_version import CASES, differing, measure, read_stored
from segnet.ablation.design.runs import config_key
from segnet.config import compose, from_values, to_values
from segnet.training.version import ADDED_SETTINGS, TRAINING_VERSION

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


def test_a_setting_that_was_added_changes_a_run_only_where_it_is_set():
    config = compose(["data=shapes"])
    key = config_key(config)
    for path, neutral in ADDED_SETTINGS.items():
        *parents, name = path.split(".")
        older = to_values(config, resolve=False)
        parent = reduce(lambda node, part: node[part], parents, older)
        assert parent.pop(name) == neutral, f"{path} is not {neutral} by default"
        assert config_key(from_values(older)) == key
    assert config_key(compose(["data=shapes", "skip_steps=3"])) != key
