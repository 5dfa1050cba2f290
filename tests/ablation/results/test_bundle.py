"""A bundle is an experiment without weights, which another machine continues from."""

import json
import shutil

import pytest

from segnet.ablation import run_ablation
from segnet.ablation.report.verification import verify
from segnet.ablation.results.bundle import pack
from segnet.ablation.results.inspection import read_inspection
from segnet.cli.ablate import work
from segnet.config import compose
from segnet.errors import UserError
from segnet.run_folder import read_json, write_json

TRAIN = "segnet.training.run.train"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """One seed of a comparison of two arms, with its report."""
    from segnet.ablation import Plan
    from tests.ablation.conftest import TINY

    def plan(seeds):
        return Plan(
            name="tiny",
            factors={"upsampler": ["nearest", "bilinear"]},
            seeds=seeds,
            epochs=1,
            fixed=[*TINY, "data.cache_dir=/my/cache"],
        )

    root = tmp_path_factory.mktemp("experiment")
    run_ablation(plan([0]), root)
    return plan, root


@pytest.fixture
def trained(monkeypatch):
    """The runs that are trained; none of them for real."""
    runs = []

    def train(config, run_dir, resume=False, show_table=print):
        runs.append(f"{run_dir.parent.name} {run_dir.name.split('-')[0]}")
        raise UserError("not trained here")

    monkeypatch.setattr(TRAIN, train)
    return runs


def test_a_bundle_has_neither_weights_nor_places_and_can_be_verified(experiment, tmp_path):
    _, root = experiment
    record = pack(root, tmp_path / "bundle")
    files = [path for path in (tmp_path / "bundle").rglob("*") if path.is_file()]
    assert len(record["runs"]) == 2
    assert not [path for path in files if path.suffix in (".ckpt", ".png", ".html", ".log")]
    assert sum(path.stat().st_size for path in files) < 200_000
    for path in files:
        if path.suffix != ".npz":
            assert str(root) not in path.read_text()
            assert '"host"' not in path.read_text()
            assert "/my/cache" not in path.read_text()
    assert read_inspection(root).crops
    packed = read_inspection(tmp_path / "bundle")
    assert not packed.crops  # they show images of the data set
    assert packed.maps.keys() == {"nearest", "bilinear"}
    stale = tmp_path / "stale"  # as an experiment leaves it that is killed after its last run
    shutil.copytree(root, stale)
    kept = read_json(stale / "experiment.json")
    write_json(stale / "experiment.json", {**kept, "runs": [{**run, "status": "pending"} for run in kept["runs"]]})
    assert pack(stale, tmp_path / "of stale")["runs"] == record["runs"]
    checked = verify(tmp_path / "bundle")
    assert checked.drifts == []
    assert checked.checked > 300
    assert pack(root, tmp_path / "bundle") == record  # in place of the older one


def test_a_bundle_names_no_folder_that_the_command_named(experiment, tmp_path):
    root = tmp_path / "continued"
    shutil.copytree(experiment[1], root)
    command = ["segnet-ablate", "ablation=tiny", "from=/home/me/bundles/first", "seeds=[0]"]
    write_json(root / "experiment.json", {**read_json(root / "experiment.json"), "command": command})
    pack(root, tmp_path / "bundle")
    packed = read_json(tmp_path / "bundle" / "experiment.json")["command"]
    assert packed == ["segnet-ablate", "ablation=tiny", "from=first", "seeds=[0]"]


def test_a_bundle_of_an_experiment_that_still_runs_has_tables_of_what_is_done(experiment, tmp_path, capsys):
    root = tmp_path / "running"
    shutil.copytree(experiment[1], root)
    stored = read_json(root / "results.json")
    for run in stored["variants"]["as_is"]["runs"][1:]:  # as they were written after the first run
        run["status"] = "pending"
    write_json(root / "results.json", stored)
    arguments = [f"bundle={tmp_path / 'bundle'}", f"ablation_dir={root}"]
    work(compose(arguments, "ablate"))
    assert "2 runs packed" in capsys.readouterr().out
    checked = verify(tmp_path / "bundle")
    assert (checked.drifts, checked.checked > 300) == ([], True)


def test_finished_runs_are_taken_and_only_the_others_trained(experiment, tmp_path, trained, no_costs, capsys):
    plan, root = experiment
    pack(root, tmp_path / "bundle")
    record = run_ablation(plan([0, 1]), tmp_path / "elsewhere", bundle_dir=tmp_path / "bundle")
    assert "2 of 4 runs taken as they are" in capsys.readouterr().out
    assert trained == ["nearest 1", "bilinear 1"]
    assert [run["status"] for run in record["runs"]] == ["completed", "completed", "failed", "failed"]
    assert (tmp_path / "elsewhere/inspection.npz").read_bytes() == (tmp_path / "bundle/inspection.npz").read_bytes()
    for run in record["runs"][:2]:
        metrics = read_json(tmp_path / "elsewhere" / run["folder"] / "metrics.json")
        assert metrics == read_json(root / run["folder"] / "metrics.json")
    trained.clear()
    run_ablation(plan([0]), tmp_path / "elsewhere")
    assert trained == []


@pytest.mark.slow
def test_a_bundle_of_other_settings_gives_nothing(experiment, tmp_path, trained, no_costs, capsys):
    plan, root = experiment
    pack(root, tmp_path / "bundle")
    other = plan([0])
    other.fixed.append("optimizer.lr=0.5")
    run_ablation(other, tmp_path / "elsewhere", bundle_dir=tmp_path / "bundle")
    assert "0 of 2 runs taken" in capsys.readouterr().out
    assert len(trained) == 2


def test_a_bundle_that_was_changed_is_refused(experiment, tmp_path, trained, no_costs):
    plan, root = experiment
    record = pack(root, tmp_path / "bundle")
    history = tmp_path / "bundle" / next(iter(record["runs"].values())) / "history.csv"
    history.write_text(history.read_text() + "\n")
    with pytest.raises(UserError, match=r"is not what was packed: runs/nearest/0-\w+/history.csv has changed"):
        run_ablation(plan([0]), tmp_path / "elsewhere", bundle_dir=tmp_path / "bundle")
    assert [drift.file.split("/")[-1] for drift in verify(tmp_path / "bundle").drifts] == ["history.csv"]
    assert trained == []


@pytest.mark.slow
def test_a_bundle_of_another_version_of_the_training_is_refused(experiment, tmp_path, trained, no_costs):
    plan, root = experiment
    pack(root, tmp_path / "bundle")
    stored = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps({**stored, "training_version": 0}))
    with pytest.raises(UserError, match="was trained by version 0 of the training, and this is version 1"):
        run_ablation(plan([0]), tmp_path / "elsewhere", bundle_dir=tmp_path / "bundle")


def test_what_is_no_bundle_is_refused(experiment, tmp_path, trained, no_costs):
    plan, root = experiment
    with pytest.raises(UserError, match=r"is not a bundle: it has no bundle\.json"):
        run_ablation(plan([0]), tmp_path / "elsewhere", bundle_dir=root)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something that is no bundle: choose a new folder"):
        pack(root, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
    with pytest.raises(UserError, match="is not an experiment folder"):
        pack(tmp_path / "mine", tmp_path / "bundle")
