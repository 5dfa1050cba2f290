"""The commands on a run of super-resolution."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from segnet.cli import evaluate, predict, train

TINY = [
    "task=super_resolution",
    "data=shapes",
    "data.size=[16,24]",
    "data.images={train:4,val:2,test:3}",
    "data.batch_size=4",
    "data.num_workers=0",
    "encoder.widths=[4,8]",
    "encoder.depths=[1,1]",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "logger=none",
]


@pytest.mark.slow
def test_train_evaluate_and_predict_in_a_row(monkeypatch, capsys, tmp_path):
    def call(command, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["segnet", *map(str, arguments)])
        command.main()
        return capsys.readouterr().out

    run_dir = tmp_path / "run"
    assert "bicubic" in call(train, *TINY, f"run_dir={run_dir}")
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert "PSNR" in call(evaluate, f"run={run_dir}", "split=val")
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    assert list(evaluation)[:4] == ["split", "checkpoint", "val/psnr", "val/ssim"]
    for name in ("val/psnr", "val/ssim", "bicubic/val/psnr", "bicubic/val/ssim"):
        assert evaluation[name] == metrics[name]
    assert evaluation["factor"] == 2

    (tmp_path / "photos" / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, size in (("a.png", (9, 13, 3)), ("more/b.jpg", (6, 5))):
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(tmp_path / "photos" / name)
    out = call(predict, f"run={run_dir}", f"input={tmp_path / 'photos'}", f"output={tmp_path / 'large'}")
    assert "2 images predicted" in out
    found = sorted(str(path.relative_to(tmp_path / "large")) for path in (tmp_path / "large").rglob("*.*"))
    assert found == ["a.png", "more/b.png"]
    with Image.open(tmp_path / "large" / "a.png") as picture, Image.open(tmp_path / "photos" / "a.png") as small:
        assert (picture.size, picture.mode) == ((26, 18), "RGB")
        bicubic = np.asarray(small.resize((26, 18), Image.Resampling.BICUBIC), dtype=float)
        assert np.abs(np.asarray(picture) - bicubic).mean() < 20  # upright, and no channel in another's place


@pytest.mark.slow  # the first import of torchmetrics takes as long as all other tests of this file
def test_scoring_and_predicting_need_no_lightning():
    code = (
        "import sys, torch, segnet.tasks; from segnet.metrics import ssim; ssim(*torch.rand(2, 1, 1, 9, 9));"
        "assert 'pytorch_lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
