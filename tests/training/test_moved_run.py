"""A run folder holds no path of its own: it can be copied, renamed and moved."""

import json
import re
import shutil

import pytest
import torch

import segnet
from segnet.config import load_config
from segnet.training.callbacks import History
from segnet.training.run import train


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def begun(tiny_config, tmp_path_factory):
    """A run that was killed after two of three epochs."""
    run_dir = tmp_path_factory.mktemp("original") / "run"
    start = History.on_train_epoch_start

    def killed_in_epoch_2(self, trainer, module):
        if trainer.current_epoch == 2:
            raise RuntimeError("killed")
        start(self, trainer, module)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(History, "on_train_epoch_start", killed_in_epoch_2)
        with pytest.raises(RuntimeError, match="killed"):
            train(tiny_config("trainer.max_epochs=3", "logger=tensorboard"), run_dir)
    return run_dir


def test_no_file_of_a_run_holds_its_path(begun):
    for name, content in contents(begun).items():
        assert str(begun).encode() not in content, name
    assert re.findall(r"\$\{[^}]*\}", (begun / "config.yaml").read_text()) == ["${run_dir}"] * 4


def test_a_copy_is_resumed_and_the_original_stays(begun, tmp_path):
    copy = tmp_path / "a copy, renamed=ü"
    shutil.copytree(begun, copy)
    before = contents(begun)
    train(load_config(copy), copy, resume=True)
    assert contents(begun) == before
    assert json.loads((copy / "metrics.json").read_text())["status"] == "completed"
    rows = (copy / "history.csv").read_text().splitlines()
    assert len(rows) == 4
    assert torch.load(copy / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 2


def test_the_best_score_goes_with_the_folder(begun, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(begun, copy)
    monkeypatch.setattr("segnet.tasks.segmentation.module.scores", _always_worse)
    train(load_config(copy), copy, resume=True)
    assert (
        contents(copy)[(copy / "checkpoints/best.ckpt").relative_to(copy)]
        == contents(begun)[(begun / "checkpoints/best.ckpt").relative_to(begun)]
    )


def _always_worse(confusion, ignore_index):
    from segnet.metrics import scores

    return scores(confusion, ignore_index)._replace(miou=0.0)


def test_a_run_of_an_older_version_moves_too(begun, tmp_path):
    """It has its old path in the config, and in the state of the callbacks."""
    moved = tmp_path / "moved"
    shutil.copytree(begun, moved)
    config = moved / "config.yaml"
    old = "/somewhere/else/runs/a"
    unsigned = config.read_text().split("\n", 1)[1]
    text = unsigned.replace("run_dir: .\n", f"run_dir: {old}\n").replace("${run_dir}", old)
    config.write_text(text + f"extra:\n  beside: {old}er\n  within: file:{old}/mlflow\n  later: x{old}\n")
    for name in ("best", "last"):
        path = moved / "checkpoints" / f"{name}.ckpt"
        checkpoint = torch.load(path, weights_only=True)
        for state in checkpoint["callbacks"].values():
            if "best_model_path" in state:
                for key in ("best_model_path", "kth_best_model_path"):
                    state[key] = state[key] and f"{old}/checkpoints/{state[key]}"
                state["dirpath"] = f"{old}/checkpoints"
                state["best_k_models"] = {f"{old}/checkpoints/{k}": v for k, v in state["best_k_models"].items()}
        torch.save(checkpoint, path)
    loaded = load_config(moved)
    assert loaded.callbacks.history.run_dir == str(moved)
    assert loaded.logger.tensorboard.save_dir == str(moved)
    assert dict(loaded.extra) == {"beside": f"{old}er", "within": f"file:{moved}/mlflow", "later": f"x{old}"}
    train(loaded, moved, resume=True)
    assert json.loads((moved / "metrics.json").read_text())["status"] == "completed"
    assert segnet.load(moved).network(torch.rand(1, 3, 9, 7)).shape == (1, 4, 9, 7)
