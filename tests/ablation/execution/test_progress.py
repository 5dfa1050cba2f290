import io

import pytest

from segnet.ablation.design.runs import plan_run
from segnet.ablation.execution import progress
from segnet.ablation.execution.progress import Progress
from segnet.config import compose
from segnet.run_folder import HISTORY, METRICS, checkpoint_file, write_history, write_json, write_whole


@pytest.fixture
def runs(tiny_plan, tmp_path):
    plan = tiny_plan(epochs=10)
    config = compose([*plan.base_overrides, "run_dir=x"])
    return [plan_run(arm, config, 0, "as_is", tmp_path / "runs") for arm in plan.arms]


def write_epochs(run, count):
    write_history(run.folder / HISTORY, [{"epoch": epoch} for epoch in range(count)])


def test_time_left_follows_the_pace_since_the_start(runs, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    run_before, run_now = runs
    run_before.folder.mkdir(parents=True)
    run_now.folder.mkdir(parents=True)
    write_epochs(run_before, 4)  # of an earlier call
    shown = Progress([*runs, runs[0]], io.StringIO())
    assert shown.total == 20
    assert shown.line(*shown.read()) == "0/2 runs, 4/20 epochs, 20%"
    clock[0] += 60
    write_epochs(run_before, 10)
    # 6 epochs in 60 s, 10 are left.
    assert shown.seconds_left(shown.read()[1]) == 100
    assert shown.line(*shown.read()) == "0/2 runs, 10/20 epochs, 50%, about 2 min left"
    write_json(run_before.folder / METRICS, {"status": "completed"})
    write_whole(run_before.folder / checkpoint_file("best"), "")
    write_json(run_now.folder / METRICS, {"status": "failed", "error": "no memory"})
    assert shown.newly_ended() == ["nearest, seed 0: completed", "bilinear, seed 0: failed: no memory"]
    assert shown.newly_ended() == []
