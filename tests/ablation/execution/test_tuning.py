import json

import pytest

from segnet.ablation import Tuning, run_ablation
from segnet.errors import UserError
from segnet.run_folder import METRICS, checkpoint_file, write_json, write_whole

RATES = {"optimizer.lr": {"low": 0.0001, "high": 0.1, "log": True}}
SPACE = RATES | {"data.batch_size": [2, 3]}


@pytest.fixture
def scored(monkeypatch, no_costs):
    """Instead of training, score a run: each arm has a best learning rate of its own."""
    seen = []

    def train(config, run_dir, resume=False, show_table=print):
        best = 0.02 if "Nearest" in config.upsampler._target_ else 0.002
        seen.append((run_dir.parents[1].name, run_dir.parent.name, config.optimizer.lr, config.data.batch_size))
        score = 1 - abs(config.optimizer.lr - best)
        write_json(
            run_dir / METRICS,
            {"status": "completed", "val/miou": score, "test/miou": score, "train_seconds": 1.0},
        )
        write_whole(run_dir / checkpoint_file("best"), "")

    monkeypatch.setattr("segnet.training.run.train", train)
    return seen


def tuned(plan, tmp_path):
    record = run_ablation(plan, tmp_path)
    return record, json.loads((tmp_path / "tuning.json").read_text())


@pytest.mark.slow
def test_shared_tuning_gives_all_arms_the_same_values(tiny_plan, tmp_path, scored):
    record, tuning = tuned(tiny_plan(tuning=Tuning(SPACE, trials=3, epochs=3)), tmp_path)
    trials = [entry for entry in scored if entry[0] == "tuning"]
    assert len(trials) == 6
    # Each point is tried with both arms, and the first is the recipe as it is.
    assert [t[2:] for t in trials if t[1] == "nearest"] == [t[2:] for t in trials if t[1] == "bilinear"]
    assert trials[0][2:] == (0.005, 3)
    assert tuning["trainings_of_each_arm"] == {"nearest": 3, "bilinear": 3}
    assert tuning["chosen"]["nearest"] == tuning["chosen"]["bilinear"]
    best = max(tuning["searches"][0]["trials"], key=lambda trial: trial["score"])
    assert tuning["chosen"]["nearest"] == best["values"]
    assert {entry[2:] for entry in scored if entry[0] == "runs"} == {tuple(best["values"].values())}
    assert "once for all arms" in record["tuning"]
    assert "every arm had 3 trainings" in record["tuning"]

    # The same again asks for nothing new.
    made = len(scored)
    assert tuned(tiny_plan(tuning=Tuning(SPACE, trials=3, epochs=3)), tmp_path)[1] == tuning
    assert len(scored) == made


@pytest.mark.slow
def test_separate_tuning_gives_every_arm_as_many_trials(tiny_plan, tmp_path, scored):
    record, tuning = tuned(tiny_plan(tuning=Tuning(RATES, trials=3, per_arm=True)), tmp_path)
    assert tuning["trainings_of_each_arm"] == {"nearest": 3, "bilinear": 3}
    counts = [sum(entry[:2] == ("tuning", arm) for entry in scored) for arm in ("nearest", "bilinear")]
    assert counts == [3, 3]
    assert tuning["chosen"]["nearest"] != tuning["chosen"]["bilinear"]
    for arm in ("nearest", "bilinear"):
        (run,) = [entry for entry in scored if entry[:2] == ("runs", arm)]
        assert run[2] == tuning["chosen"][arm]["optimizer.lr"]
    assert "separately for each arm" in record["tuning"]
    fairness = json.loads((tmp_path / "fairness.json").read_text())
    assert "optimizer.lr" in fairness["axis"]


def test_batches_that_tuning_made_different_are_refused(tiny_plan, tmp_path, scored, monkeypatch):
    chosen = {"nearest": {"data.batch_size": 2}, "bilinear": {"data.batch_size": 3}}
    monkeypatch.setattr("segnet.ablation.experiment.tune", lambda *_: (chosen, {"said": ""}))
    with pytest.raises(UserError, match="are not shown the same batches"):
        run_ablation(tiny_plan(tuning=Tuning({"data.batch_size": [2, 3]}, per_arm=True)), tmp_path)
    assert scored == []


@pytest.mark.slow
def test_failed_trials_count_and_all_failing_is_an_error(tiny_plan, tmp_path, monkeypatch):
    def train(config, run_dir, resume=False, show_table=print):
        raise RuntimeError("no memory")

    monkeypatch.setattr("segnet.training.run.train", train)
    with pytest.raises(UserError, match="no trial of tuning could be scored for nearest, bilinear"):
        run_ablation(tiny_plan(tuning=Tuning(SPACE, trials=2)), tmp_path)


def test_a_path_without_a_value_is_refused(tiny_plan, tmp_path):
    with pytest.raises(UserError, match=r"tuning\.space\.optimizer\.rate is not in the config"):
        run_ablation(tiny_plan(tuning=Tuning({"optimizer.rate": [1]})), tmp_path)
