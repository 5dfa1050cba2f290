"""``segnet-ablate`` as a user calls it; what trains in other processes is slow."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from segnet.ablation.execution.run_state import attempts
from segnet.cli import ablate
from segnet.cli.ablate import plan_from_config
from segnet.config import compose, config_dir
from segnet.devices import available_cores
from segnet.extras import install_command

ROOT = Path(__file__).parents[2]

TINY = [
    "factors={upsampler:[nearest,bilinear]}",
    "seeds=1",
    "epochs=1",
    'fixed=["data=shapes","data.size=[12,16]","data.images={train:6,val:2,test:3}","data.batch_size=3",'
    '"encoder.widths=[4,8]","encoder.depths=[1,1]","trainer=cpu","logger=none"]',
]
READY_MADE = sorted(path.stem for path in (config_dir() / "ablation").glob("*.yaml"))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "segnet.cli.ablate", *map(str, arguments)]


def call(*arguments: object) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}  # the callback below is imported from the tests
    return subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def kill_once(folder: Path, epoch: int) -> str:
    """The override with which the first process that reaches an epoch is killed there."""
    return f"+callbacks.kill_once={{_target_:tests.cli.kill_once.KillOnce,marker:{folder}/killed,epoch:{epoch}}}"


def statuses(folder: Path) -> dict[str, str]:
    record = json.loads((folder / "experiment.json").read_text())
    return {f"{run['arm']} {run['seed']}": run["status"] for run in record["runs"]}


@pytest.mark.parametrize("name", READY_MADE)
def test_every_ready_made_plan_composes_fairly(name):
    from segnet.ablation.design.axis import check_axis

    config = compose([f"ablation={name}"], "ablate")
    plan = plan_from_config(config)
    assert plan.name == name
    some = [*plan.arms[:2], plan.arms[-1]]  # composing takes its time; all are composed when the plan is run
    arms = {arm.name: compose([*plan.base_overrides, "run_dir=x", *arm.overrides]) for arm in some}
    for factor, level in ((factor, level) for arm in plan.arms for factor, level in arm.levels.items()):
        assert (config_dir() / factor / f"{level}.yaml").is_file()
    assert check_axis(arms, plan.axis)["differing"]
    opening = (config_dir() / "ablation" / f"{name}.yaml").read_text().splitlines()
    comment = "\n".join(line for line in opening if line.startswith("#"))
    assert f"segnet-ablate ablation={name}" in comment
    assert "Run time:" in comment
    assert "To expect:" in comment


def test_the_workers_settings_are_not_the_users():
    assert {"job", "workers"}.isdisjoint(compose(config_name="ablate"))


def test_the_promised_plans_exist():
    assert {"upsamplers", "atrous_fusion", "separable", "skips_x_upsamplers", "quick"} <= set(READY_MADE)


@pytest.mark.slow
def test_one_process_runs_an_experiment(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["segnet-ablate", *TINY, f"ablation_dir={tmp_path / 'it'}"])
    ablate.main()
    record = json.loads((tmp_path / "it" / "experiment.json").read_text())
    assert (record["status"], record["engine"], record["workers"]) == ("completed", "basic", 1)
    assert record["command"] == ["segnet-ablate", *TINY, f"ablation_dir={tmp_path / 'it'}"]
    assert "experiment folder:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say ablation=..., as in ablation=quick"),
        (["ablation=quick", "baseline=lanczos"], "baseline=lanczos is not one of the arms"),
        (["ablation=quick", "+seed=1"], "a plan has no setting seed: choose among"),
        (["ablation=quick", "+job.folder=x"], "a plan has no setting job: choose among"),
        (["ablation=quick", "tuning={trial:3}"], "tuning has no setting trial: choose among"),
        ([*TINY[1:], 'factors={upsampler:{a:nearest,b:{value:bilinear,overrides:["seed=3"]}}}'], "fair: seed (0 in a"),
    ],
)
def test_a_mistake_ends_in_one_sentence(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.setattr(sys, "argv", ["segnet-ablate", *arguments, f"ablation_dir={tmp_path / 'it'}"])
    with pytest.raises(SystemExit) as stop:
        ablate.main()
    assert stop.value.code == 1
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", [["joblib", "hydra.launcher.n_jobs=2"], ["submitit_local"], ["ray"]], ids=lambda launcher: launcher[0]
)
def test_runs_go_to_other_processes(tmp_path, launcher):
    if launcher == ["ray"] and importlib.util.find_spec("hydra_plugins.hydra_ray_launcher") is None:
        pytest.skip(f"needs the extra ray: {install_command('ray')}")
    result = call(*TINY, "seeds=2", f"ablation_dir={tmp_path / 'it'}", f"hydra/launcher={launcher[0]}", *launcher[1:])
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((tmp_path / "it" / "experiment.json").read_text())
    assert record["engine"] == launcher[0]
    of_runs = [attempts(path.parent) for path in (tmp_path / "it").rglob("run.json")]
    assert [len(of_run) for of_run in of_runs] == [1] * 4
    processes = {of_run[0]["pid"] for of_run in of_runs}
    if launcher[0] == "joblib":
        assert len(processes) == 2, "workers stay alive over several runs"
        assert {of_run[0]["threads"] for of_run in of_runs} == {max(1, available_cores() // 2)}
    # The results of a run do not depend on where it runs.
    assert call(*TINY, "seeds=2", f"ablation_dir={tmp_path / 'here'}").returncode == 0
    for path in (tmp_path / "here").rglob("batches.json"):
        there = tmp_path / "it" / path.relative_to(tmp_path / "here")
        assert there.read_text() == path.read_text()


@pytest.mark.slow
def test_a_killed_command_resumes_its_run(tmp_path):
    arguments = [*TINY, "epochs=6", f'also_fixed=["{kill_once(tmp_path, epoch=3)}"]', f"ablation_dir={tmp_path / 'it'}"]
    assert call(*arguments).returncode == -signal.SIGKILL
    (killed,) = (path.parents[1] for path in (tmp_path / "it").rglob("last.ckpt"))
    assert not (killed / "metrics.json").exists()
    rows = (killed / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + 3

    result = call(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert statuses(tmp_path / "it") == {"nearest 0": "completed", "bilinear 0": "completed"}
    after = (killed / "history.csv").read_text().splitlines()
    assert after[: len(rows)] == rows, "finished epochs were trained again"
    assert len(after) == 1 + 6
    assert len(attempts(killed)) == 2
    assert json.loads((tmp_path / "it" / "fairness.json").read_text())["trained"]["problems"] == []


@pytest.mark.slow
def test_a_worker_that_is_killed_stops_no_other_run(tmp_path):
    arguments = [*TINY, "seeds=3", "epochs=3", f'also_fixed=["{kill_once(tmp_path, epoch=1)}"]']
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    result = call(*arguments, f"ablation_dir={tmp_path / 'it'}", *launcher)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "killed").exists()
    assert "a worker died (TerminatedWorkerError) while it trained" in result.stderr
    assert set(statuses(tmp_path / "it").values()) == {"completed"}
    assert len(statuses(tmp_path / "it")) == 6
