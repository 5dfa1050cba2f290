"""What segnet-evaluate and segnet-predict are asked for: runs, checkpoints, splits, other data."""

import json

import pytest

from segnet.cli import evaluate, predict, train
from tests.cli.calling import TINY, assert_one_sentence


@pytest.mark.parametrize(
    ("command", "arguments", "text"),
    [
        (evaluate, [], "say run=..."),
        (evaluate, ["run=nowhere"], "is not a run folder"),
        (predict, ["run=nowhere", "input=x"], "say output=..."),
        (predict, ["run=nowhere", "input=nothing", "output=masks"], "input=nothing does not exist"),
    ],
)
def test_evaluate_and_predict_name_what_is_missing(call, tmp_path, monkeypatch, command, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert_one_sentence(call(command, *arguments), text)
    assert list(tmp_path.iterdir()) == []


def test_evaluate_names_a_checkpoint_or_split_that_is_not_there(call, run_dir):
    assert_one_sentence(call(evaluate, f"run={run_dir}", "split=all"), "choose one of train, val, test")
    (run_dir / "checkpoints" / "best.ckpt").unlink()
    assert_one_sentence(call(evaluate, f"run={run_dir}"), "has no checkpoint best.ckpt")


@pytest.mark.slow
def test_evaluate_finds_data_that_have_moved(call, write_camvid, tmp_path):
    old = write_camvid(tmp_path / "old")
    run = tmp_path / "run"
    overrides = [text for text in TINY if not text.startswith("data")] + ["data=camvid", "data.batch_size=2"]
    assert call(train, *overrides, "data.num_workers=0", f"data.root={old}", f"run_dir={run}")[0] == 0
    old.rename(tmp_path / "new")
    assert_one_sentence(call(evaluate, f"run={run}"), "no CamVid in ")
    assert call(evaluate, f"run={run}", f"data_root={tmp_path / 'new'}")[0] == 0


@pytest.mark.slow
def test_evaluate_takes_another_set_with_the_same_classes(call, write_camvid, tmp_path):
    run, other = tmp_path / "run", tmp_path / "other"
    common = [text for text in TINY if not text.startswith("data")] + ["data=camvid", "data.batch_size=2"]
    common += ["data.num_workers=0", "data.scale=0.5", f"data.root={write_camvid(tmp_path / 'one')}"]
    assert call(train, *common, f"run_dir={run}")[0] == 0
    write_camvid(other, images=2)

    def evaluated(*arguments: str, folder=run):
        code, _, err = call(evaluate, f"run={run}", "resamples=50", *arguments)
        assert code == 0, err
        return json.loads((folder / "evaluation.json").read_text())

    found = evaluated("data=camvid", f"data.root={other}", f"output={tmp_path / 'out'}", folder=tmp_path / "out")
    assert not (run / "evaluation.json").exists()
    assert (found["images"], found["data"], found["averaged"]) == (2, "camvid", None)
    whole, same = evaluated(), ["data=camvid", f"data.root={tmp_path / 'one'}"]
    assert evaluated(*same)["confusion"] == whole["confusion"], "images are seen at the scale of the training"
    assert evaluated(*same, "data.scale=1")["confusion"] != whole["confusion"]
    averaged = evaluated("flips=horizontal", "scales=[0.5,1]")
    assert averaged["averaged"] == "averaged over flips horizontal and scales 0.5, 1"
    assert averaged["confusion"] != whole["confusion"]
    refused = call(evaluate, f"run={run}", "data=shapes")
    assert_one_sentence(refused, "and data= has background, pole, disc, polygon: give a data set with the same classes")
    refused = call(evaluate, f"run={run}", "data=camvid", f"data_root={other}")
    assert_one_sentence(refused, "with data=NAME say data.root=FOLDER")


def test_evaluate_writes_all_or_nothing_and_names_what_is_wrong(call, run_dir, tmp_path):
    (tmp_path / "file").write_text("no folder")
    told = call(evaluate, f"run={run_dir}", "resamples=0", f"output={tmp_path / 'file'}")
    assert_one_sentence(told, "file cannot be written (File exists): name another folder")
    before = sorted(run_dir.rglob("*"))
    assert_one_sentence(call(evaluate, f"run={run_dir}", "worst=-1"), "worst=-1 is not allowed")
    assert_one_sentence(call(evaluate, f"run={run_dir}", "scales=[0]"), "scales=[0] is not allowed: give numbers from")
    assert_one_sentence(call(evaluate, f"run={run_dir}", "flips=all"), "flips=all is not allowed: give one of none")
    assert sorted(run_dir.rglob("*")) == before
