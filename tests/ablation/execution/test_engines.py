"""Workers that die, and workers that share GPUs."""

import json

import pytest

from segnet.ablation.execution import jobs
from segnet.ablation.execution.engines import run_all
from segnet.ablation.execution.jobs import take_device
from segnet.ablation.execution.runs import RECORD, begin_attempt, end_attempt, plan_run, status
from segnet.config import compose
from segnet.run_folder import METRICS, checkpoint_file, write_json, write_whole


class Pool:
    """Two workers at a time, as a process pool: one that dies takes the other with it."""

    name, workers, survives = "pool", 2, False

    def __init__(self, deadly, survives=False):
        self.deadly, self.survives = deadly, survives
        self.calls = []

    def work_off(self, folders):
        self.calls.append([folder.parent.name for folder in folders])
        for start in range(0, len(folders), 2):
            at_work = folders[start : start + 2]
            for folder in at_work:
                begin_attempt(folder, {})
            killer = next((folder for folder in at_work if folder.parent.name in self.deadly), None)
            if killer is not None:
                raise RuntimeError("terminated")
            for folder in at_work:
                write_json(folder / METRICS, {"status": "completed"})
                write_whole(folder / checkpoint_file("best"), "")
                end_attempt(folder)


@pytest.fixture
def runs(tiny_plan, tmp_path):
    names = ["a", "b", "c", "d", "e", "f"]
    plan = tiny_plan(factors={"optimizer.lr": {name: index / 10 + 0.1 for index, name in enumerate(names)}})
    config = compose([*plan.base_overrides, "run_dir=x"])
    return [plan_run(arm, config, 0, "as_is", tmp_path / "runs") for arm in plan.arms]


def test_a_worker_that_dies_stops_no_other_run(runs):
    pool, said = Pool(deadly={"c"}), []
    run_all(runs, pool, said.append)
    # c and d were at work together; each is tried again alone, then the rest goes on.
    assert pool.calls == [["a", "b", "c", "d", "e", "f"], ["c"], ["d"], ["e", "f"]]
    found = {run.arm.name: status(run.folder) for run in runs}
    assert found == dict.fromkeys("abdef", "completed") | {"c": "killed"}
    assert len(said) == 2
    assert "a worker died (RuntimeError) while it was at c/0-" in said[0]
    assert "d/0-" in said[0]
    assert "a worker died again (RuntimeError) at c/0-" in said[1]

    pool = Pool(deadly=set())
    run_all(runs, pool, said.append)
    assert pool.calls == [["c"]]
    assert len(json.loads((runs[2].folder / RECORD).read_text())["attempts"]) == 3
    run_all(runs, pool, said.append)
    assert pool.calls == [["c"]]


def test_where_workers_survive_nothing_is_started_twice(runs):
    pool, said = Pool(deadly={"a"}, survives=True), []
    run_all(runs, pool, said.append)
    assert len(pool.calls) == 1
    assert len(said) == 1


def test_an_engine_that_cannot_start_ends_the_work(runs):
    class Broken(Pool):
        def work_off(self, folders):
            raise OSError("no queue")

    said = []
    run_all(runs, Broken(set()), said.append)
    assert said == ["a worker died (OSError) while it was at nothing yet"]
    assert {status(run.folder) for run in runs} == {"pending"}


def test_workers_share_out_the_gpus(tmp_path, monkeypatch):
    """Each call stands for a process: only the locks are shared."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    processes = []

    def in_another_process():
        monkeypatch.setattr(jobs, "_leases", [])
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
        taken = take_device(tmp_path, 3)
        processes.append(jobs._leases)
        assert take_device(tmp_path, 3) == taken  # for all its runs
        return taken

    assert [in_another_process() for _ in range(3)] == ["2", "5", "2"]
    processes[1][0].close()  # dies
    assert in_another_process() == "5"
    for leases in processes:
        leases[0].close()


def test_without_a_gpu_nothing_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "_leases", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert take_device(tmp_path, 2) is None
    assert list(tmp_path.iterdir()) == []
