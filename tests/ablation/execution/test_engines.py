"""Workers that die, and workers that share GPUs."""

import os

import pytest

from segnet.ablation.design.runs import plan_run
from segnet.ablation.execution.engines import run_all
from segnet.ablation.execution.gpus import lease_gpu, take_gpu
from segnet.ablation.execution.run_state import attempts, begin_attempt, end_attempt, status
from segnet.config import compose
from segnet.run_folder import METRICS, checkpoint_file, write_json, write_whole


class Pool:
    """Two workers at a time, as a process pool: one that dies takes the other with it."""

    name, workers, isolated = "pool", 2, False

    def __init__(self, deadly, isolated=False):
        self.deadly, self.isolated = deadly, isolated
        self.calls = []

    def run_jobs(self, folders):
        self.calls.append([folder.parent.name for folder in folders])
        for start in range(0, len(folders), 2):
            in_work = folders[start : start + 2]
            for folder in in_work:
                begin_attempt(folder, {})
            killer = next((folder for folder in in_work if folder.parent.name in self.deadly), None)
            if killer is not None:
                raise RuntimeError("terminated")
            for folder in in_work:
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
    # c and d were trained side by side; each is tried again alone, then the others follow.
    assert pool.calls == [["a", "b", "c", "d", "e", "f"], ["c"], ["d"], ["e", "f"]]
    statuses = {run.arm.name: status(run.folder) for run in runs}
    assert statuses == dict.fromkeys("abdef", "completed") | {"c": "killed"}
    assert len(said) == 2
    assert "a worker died (RuntimeError) while it trained c/0-" in said[0]
    assert "d/0-" in said[0]
    assert "a worker died again (RuntimeError) at c/0-" in said[1]

    pool = Pool(deadly=set())
    run_all(runs, pool, said.append)
    assert pool.calls == [["c"]]
    assert len(attempts(runs[2].folder)) == 3
    run_all(runs, pool, said.append)
    assert pool.calls == [["c"]]


def test_where_workers_are_isolated_no_run_is_repeated(runs):
    pool, said = Pool(deadly={"a"}, isolated=True), []
    run_all(runs, pool, said.append)
    assert len(pool.calls) == 1
    assert len(said) == 1


def test_an_engine_that_cannot_start_ends_the_work(runs):
    class Broken(Pool):
        def run_jobs(self, folders):
            raise OSError("no queue")

    said = []
    run_all(runs, Broken(set()), said.append)
    assert said == ["a worker died (OSError) while it trained nothing yet"]
    assert {status(run.folder) for run in runs} == {"pending"}


def test_workers_share_out_the_gpus(tmp_path, monkeypatch):
    """Each lease stands for a process: only the locks are shared."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    leases = [lease_gpu(tmp_path, workers=3) for _ in range(3)]
    assert [lease.device for lease in leases] == ["2", "5", "2"]
    leases[1].lock.release()  # its process has died
    assert lease_gpu(tmp_path, workers=3).device == "5"


def test_a_process_takes_one_gpu_for_all_its_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    lease = take_gpu(tmp_path, 2)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == lease.device == "2"
    assert take_gpu(tmp_path, 2) is lease
    lease.lock.release()


def test_without_a_gpu_nothing_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert lease_gpu(tmp_path, 2) is None
    assert list(tmp_path.iterdir()) == []
