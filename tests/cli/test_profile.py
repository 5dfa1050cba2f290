import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from PIL import Image

from segnet.cli import profile

SMALL = ["data=shapes", "encoder.widths=[4,8]", "encoder.depths=[1,1]", "image_size=[16,24]", "repeats=2", "probes=1"]


def run(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    options = [override for override in overrides if override.startswith("--")]
    given = [override for override in overrides if override not in options]
    monkeypatch.setattr(sys, "argv", ["segnet-profile", *options, *SMALL, "device=cpu", *given])
    profile.main()


def test_one_network(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(monkeypatch, f"output={tmp_path}", "batch_size=2", "modules=true", "precision=32-true")
    printed = capsys.readouterr().out
    for text in ("shapes: 2 x 16x24 px, 32-true", "encoder 1", "4x16x24", "TransposedConvolution", "training step:"):
        assert (text in printed) == (text != "TransposedConvolution"), text
    content = json.loads((tmp_path / "profile.json").read_text())
    assert content["setting"]["image_size"] == [16, 24]
    assert content["setting"]["device"] == "cpu"
    (result,) = content["profiles"]
    # By hand: 3x3 convolutions, the projection, the block on the concatenated maps, and the head.
    macs = 384 * (27 * 4 + 9 * 8 * 4 + 4 * 4) + 96 * (9 * 4 * 8 + 8 * 4)
    assert result["totals"]["macs"] == 2 * macs
    assert set(result["latency_ms"]) == {"inference", "training step"}
    assert result["latency_ms"]["inference"]["repeats"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["profile.json", "profile.png"]
    with Image.open(tmp_path / "profile.png") as picture:
        assert picture.width > 600


def test_comparison(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    entries = '"upsampler=nearest",["upsampler=transposed_conv","encoder.widths=[4,6]"]'
    run(monkeypatch, f"output={tmp_path}", f"compare=[{entries}]", "training=false", "skip=add")
    printed = capsys.readouterr().out
    assert "upsampler=nearest" in printed
    assert "times the first" in printed
    first, second = json.loads((tmp_path / "profile.json").read_text())["profiles"]
    assert [first["name"], second["name"]] == ["upsampler=nearest", "upsampler=transposed_conv encoder.widths=[4,6]"]
    assert set(first["latency_ms"]) == {"inference"}
    # What stands on the command line holds for every entry: the added skip connection leaves 4 channels to the block.
    assert first["totals"]["macs"] == 384 * (27 * 4 + 9 * 4 * 4 + 4 * 4) + 96 * (9 * 4 * 8 + 8 * 4)
    assert second["totals"]["parameters"] - first["totals"]["parameters"] == 16 * 16 - 2 * (9 * 4 + 2 + 4)
    assert not GlobalHydra.instance().is_initialized()


def test_comparison_knows_the_configs_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "upsampler").mkdir()
    (tmp_path / "upsampler" / "mine.yaml").write_text("_target_: segnet.layers.Nearest\n_partial_: true\n")
    output = tmp_path / "output"
    run(monkeypatch, f"--config-dir={tmp_path}", f"output={output}", 'compare=["upsampler=mine"]', "training=false")
    (only,) = json.loads((output / "profile.json").read_text())["profiles"]
    assert only["name"] == "upsampler=mine"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('compare=["upsampler=nearest","upsampler=nearest"]', 'compare names "upsampler=nearest" twice'),
        ("compare=[nearest,bilinear]", 'compare takes overrides such as "upsampler=nearest": "nearest" sets nothing'),
        (
            'compare=["upsampler=nearest,skip=add"]',
            '"upsampler=nearest,skip=add" in compare is more than one override: give a list',
        ),
        ('compare=["seed=1,2"]', '"seed=1,2" in compare is more than one override: give a list'),
        ("compare=nearest", "compare takes a list of overrides in quotes"),
        ('compare=["upsampler=nowhere"]', "Could not find 'upsampler/nowhere'"),
        ("device=tpu", "device=tpu is not known: choose auto, cpu or cuda"),
        ("image_size=[0,5]", "image_size=[0, 5] is no height and width"),
        ("image_size=64", "image_size=64 is no height and width"),
        ("precision=64-true", "precision=64-true cannot be profiled"),
    ],
)
def test_mistakes_end_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run(monkeypatch, f"output={tmp_path}", override)
    assert exit_info.value.code == 1
    printed = capsys.readouterr().err
    assert printed.startswith("segnet-profile: error: ")
    assert message in printed
    assert not (tmp_path / "profile.json").exists()


def test_help_imports_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['segnet-profile', '--help']\n"
        "from segnet.cli.profile import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'matplotlib', 'rich'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "segnet-profile model=unet" in result.stdout
    assert "Settings of its own" in result.stdout
