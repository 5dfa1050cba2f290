"""segnet-export as a command: what it prints and stores."""

import json
import sys

import pytest

from segnet.cli import export
from segnet.training.run import train


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["segnet-export", *map(str, arguments)])
    export.main()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_it_prints_parity_scores_and_times(tiny_config, tmp_path, monkeypatch, capsys):
    train(tiny_config("trainer.max_epochs=1", "upsampler=bed_of_nails"), tmp_path / "run")
    call(
        monkeypatch,
        *(f"run={tmp_path / 'run'}", "precision=int8", "check_split=test", "time=true"),
        *("repeats=2", "image_size=[16,24]"),
    )
    printed = capsys.readouterr().out
    assert "largest difference" in printed
    assert "ONNX Runtime" in printed
    record = json.loads((tmp_path / "run" / "export" / "model-int8.onnx.json").read_text())
    scored = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert record["scores"]["network"]["test/miou"] == pytest.approx(scored["test/miou"], abs=1e-6)
    assert record["scores"]["file"]["test/miou"] == pytest.approx(scored["test/miou"], abs=0.2)
    assert {"torch", "compiled", "ONNX Runtime"} <= set(record["latency_ms"])
    assert (record["image_size"], record["device"]) == ([16, 24], "cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say run=..., as in run=runs/brain/2026-01-31_12-00-00"),
        (["run=nothing"], "nothing is not a run folder: it has no config.yaml"),
        (["run=nothing", "format=tflite"], "format=tflite is not allowed: give one of onnx, torch, hub"),
    ],
)
def test_bad_arguments_end_with_a_sentence(arguments, message, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *arguments)
    assert stop.value.code == 1
    assert message in capsys.readouterr().err
