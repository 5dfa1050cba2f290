"""Whole experiments, in this process."""

import json
import sys

import pytest
import yaml

from segnet.ablation import Plan, run_ablation
from segnet.ablation.design.runs import config_key
from segnet.ablation.execution.run_state import attempts
from segnet.ablation.experiment import lock_folder
from segnet.config import compose
from segnet.errors import UserError
from segnet.training.run import train as real_train

RESULT_FILES = {f"results.{ending}" for ending in ("json", "csv", "md", "tex")} | {
    "report.html",
    "inspection.json",
    "inspection.npz",
}
TRAIN = "segnet.training.run.train"


@pytest.fixture
def watched(monkeypatch):
    """Train for real, and note what was trained; ``watched.before`` may raise."""

    def train(config, run_dir, resume=False, show_table=print):
        train.seen.append(f"{run_dir.parent.name} {run_dir.name.split('-')[0]}")
        train.before(config)
        return real_train(config, run_dir, resume, show_table=show_table)

    train.seen, train.before = [], lambda config: None
    monkeypatch.setattr(TRAIN, train)
    return train


def statuses(record):
    return {f"{run['arm']} {run['seed']}": run["status"] for run in record["runs"]}


def test_an_experiment_is_whole_and_the_same_command_again_trains_nothing(tiny_plan, tmp_path, watched, capsys):
    record = run_ablation(tiny_plan(), tmp_path)
    assert record["status"] == "completed"
    assert watched.seen == ["nearest 0", "bilinear 0"]
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"plan.yaml", "fairness.json", "costs.json", "experiment.json", "runs", ".lock"} | RESULT_FILES
    assert record["wall_seconds"] >= record["run_seconds"] > record["train_seconds"] > 0
    assert record["command"][1:] == sys.argv[1:]

    fairness = json.loads((tmp_path / "fairness.json").read_text())
    assert fairness["trained"]["problems"] == []
    assert fairness["trained"]["seeds"]["0"]["batches"][0] == fairness["checked"]["as_is"]["batches"]["0"]["batches"][0]
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    assert plan["arms"]["bilinear"]["overrides"] == ["upsampler=bilinear"]
    assert plan["baseline_config"]["upsampler"]["_target_"] == "segnet.layers.Nearest"
    assert "${" not in json.dumps(plan["baseline_config"])
    for run in record["runs"]:
        folder = tmp_path / run["folder"]
        assert folder.parent.name == run["arm"]
        assert folder.name == f"{run['seed']}-{run['key']}"
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["status"] == "completed"
        assert "mean IoU" in (folder / "output.txt").read_text()
        assert "epoch 1/1" in (folder / "train.log").read_text()
        cost = json.loads((tmp_path / "costs.json").read_text())["as_is"]["arms"][run["arm"]]
        assert (cost["params"], cost["macs"]) == (metrics["params"], metrics["macs"])
        assert cost["plain_macs"] >= cost["macs"]
        assert cost["latency_ms"]["training step"]["median"] > 0
    out = capsys.readouterr().out
    assert "tiny: nearest, seed 0: completed (" in out
    assert "tiny: bilinear, seed 0: completed (2/2 runs, 2/2 epochs, 100%" in out
    assert out.count("mean IoU") == 0  # each run's own table stays with the run

    costs = (tmp_path / "costs.json").read_text()
    again = run_ablation(tiny_plan(), tmp_path)
    assert again["status"] == "completed"
    assert len(watched.seen) == 2
    assert (tmp_path / "costs.json").read_text() == costs

    # One more seed: only that is missing.
    assert run_ablation(tiny_plan(seeds=2), tmp_path)["status"] == "completed"
    assert watched.seen[2:] == ["nearest 1", "bilinear 1"]


@pytest.mark.slow
def test_a_failing_run_is_reported_and_stops_no_other(no_costs, tiny_plan, tmp_path, watched, capsys):
    def no_memory(config):
        if "Nearest" in config.upsampler._target_:
            raise RuntimeError("out of memory")

    watched.before = no_memory
    record = run_ablation(tiny_plan(), tmp_path)
    assert record["status"] == "incomplete"
    assert statuses(record) == {"nearest 0": "failed", "bilinear 0": "completed"}
    failed = record["runs"][0]
    assert failed["error"] == "out of memory"
    assert "RuntimeError: out of memory" in (tmp_path / failed["folder"] / "output.txt").read_text()
    assert "nearest, seed 0: failed: out of memory" in capsys.readouterr().out

    watched.before = lambda config: None
    assert run_ablation(tiny_plan(), tmp_path)["status"] == "completed"
    assert watched.seen == ["nearest 0", "bilinear 0", "nearest 0"]
    assert len(attempts(tmp_path / failed["folder"])) == 2


@pytest.mark.slow
def test_an_interrupted_experiment_says_how_far_it_came(no_costs, tiny_plan, tmp_path, watched):
    def interrupt(config):
        if "Bilinear" in config.upsampler._target_:
            raise KeyboardInterrupt

    watched.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_ablation(tiny_plan(), tmp_path)
    record = json.loads((tmp_path / "experiment.json").read_text())
    assert record["status"] == "incomplete"
    assert statuses(record) == {"nearest 0": "completed", "bilinear 0": "killed"}


def test_an_unfair_plan_is_refused_before_anything_runs(tiny_plan, tmp_path, watched):
    factors = {"upsampler": {"a": "nearest", "b": {"value": "bilinear", "overrides": ["optimizer.lr=0.1"]}}}
    with pytest.raises(UserError, match=r"fair: optimizer\.lr \(0\.005 in a, 0\.1 in b\)"):
        run_ablation(tiny_plan(factors=factors), tmp_path)
    assert watched.seen == []
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_several_devices_a_run_are_refused(tiny_plan, tmp_path):
    with pytest.raises(UserError, match="each run of an experiment trains on one device"):
        run_ablation(tiny_plan("trainer.devices=2"), tmp_path)


@pytest.mark.slow
def test_matched_arms_are_a_second_comparison_that_reuses_the_costliest_arm(tiny_plan, tmp_path, watched):
    plan = tiny_plan("encoder.widths=[8,16]", match="params", factors={"upsampler": ["nearest", "transposed_conv"]})
    record = run_ablation(plan, tmp_path)
    assert record["status"] == "completed"
    assert watched.seen == ["nearest 0", "transposed_conv 0", "nearest 0"]
    kinds = [(run["arm"], run["kind"]) for run in record["runs"]]
    assert kinds == [(arm, kind) for kind in ("as_is", "matched") for arm in ("nearest", "transposed_conv")]
    assert record["runs"][1]["folder"] == record["runs"][3]["folder"]
    costs = json.loads((tmp_path / "costs.json").read_text())
    params = {kind: [costs[kind]["arms"][arm]["params"] for arm in ("nearest", "transposed_conv")] for kind in costs}
    assert params["matched"][0] == pytest.approx(params["matched"][1], rel=0.02)
    assert params["as_is"][0] < 0.95 * params["as_is"][1]
    checked = json.loads((tmp_path / "fairness.json").read_text())["checked"]["matched"]
    assert "decoder.widths.0" in checked["differing"]
    assert yaml.safe_load((tmp_path / "plan.yaml").read_text())["decoder_widths"]["matched"]["transposed_conv"] is None


def test_a_second_command_in_the_same_folder_is_refused(tiny_plan, tmp_path):
    with lock_folder(tmp_path), pytest.raises(UserError, match="another command is using"):
        run_ablation(tiny_plan(), tmp_path)


def test_the_key_is_of_what_is_trained(tiny_plan):
    base = list(tiny_plan().base_overrides)
    key = config_key(compose([*base, "run_dir=x"]))
    same = ["run_dir=y", "name=other", "logger=tensorboard", "data.num_workers=3"]
    assert {config_key(compose([*base, "run_dir=x", override])) for override in same} == {key}
    different = [
        "seed=1",
        "optimizer.lr=0.1",
        "data.augmentation.hue=0.1",
        "upsampler=nearest",
        "trainer.precision=32-true",
    ]
    assert len({config_key(compose([*base, override])) for override in different} | {key}) == 6


def test_the_key_does_not_depend_on_what_an_arm_is_called():
    names = {"x": "nearest", "y": "bilinear"}
    plans = Plan("a", {"upsampler": list(names.values())}), Plan("a", {"upsampler": names})
    keys = [[config_key(compose(arm.overrides)) for arm in plan.arms] for plan in plans]
    assert keys[0] == keys[1]
