import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

import segnet
from segnet.analysis import profile_network, random_images
from segnet.analysis.latency import Latency
from segnet.analysis.profile import Profile
from segnet.analysis.profile_report import (
    comparison_rows,
    field_text,
    print_comparison,
    print_profile,
    save_profile_figure,
)
from segnet.analysis.receptive_field import ReceptiveField


@pytest.fixture(scope="module")
def profile() -> Profile:
    network = segnet.build_network(["data=shapes", "encoder.widths=[4,8]", "encoder.depths=[1,1]"])
    images = random_images(1, 3, (32, 40))
    measured = profile_network("small", network, images, images)
    return replace(measured, latencies={"inference": Latency(2.0, 1.5, 3.0, 7)}, plain_macs=2_000_000)


def printed(show: object) -> str:
    file = io.StringIO()
    show(Console(file=file, width=200))
    return file.getvalue()


def test_stage_table(profile: Profile) -> None:
    text = printed(lambda console: print_profile(profile, "here", modules=True, console=console))
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split("[│┃]", line)]
        if len(cells) > 3:
            rows[cells[1]] = cells[2:-1]
    # Kept: the pooled map, and what convolution and ReLU made; the indices of the 4 x 16 x 20 pooled values, a byte
    # each, stand with the stage that the pooling leads to.
    assert rows["encoder 0"] == ["4x32x40", "1", "116", "138.24 k", "40.0 KiB", "0", "3x3"]
    assert rows["encoder 1"][:5] == ["8x16x20", "2", "304", "92.16 k", "25.1 KiB"]
    assert rows["encoder 1"][5] == "1.2 KiB"
    assert rows["head"] == ["4x32x40", "1", "20", "20.48 k", "0", "0", "12x12"]
    assert rows["encoder.stages.0.0.convolution (RegularConvolution)"][:4] == ["32x40", "", "108", "138.24 k"]
    assert rows["total"][2] == "776"
    assert "plain form: 2.00 M MACs" in text
    assert "inference: 2.0 ms (quartiles 1.5 to 3.0, 7 calls)" in text


def test_comparison_table(profile: Profile) -> None:
    other = replace(
        profile, name="other", latencies={"inference": Latency(3.0, 3.0, 3.0, 7)}, stages=profile.stages[:1]
    )
    text = printed(lambda console: print_comparison([profile, other], "here", console))
    assert "3.00 ms (1.50)" in text
    assert "776 (1.00)" in text
    assert "116 (0.15)" in text
    assert "receptive field" in text
    assert {label for label, _, _ in comparison_rows([profile, other])} >= {"MACs", "pool indices", "inference"}


def test_field_text() -> None:
    def field(height: int | None, width: int | None, whole: bool = False) -> str:
        return field_text(ReceptiveField("head", height, width, (0, 0), (0, 0), whole))

    assert field(3, 5) == "3x5"
    assert field(3, 5, whole=True) == "3x5 + mean"
    assert field(None, None) == "whole image"
    assert field(None, 5) == "whole imagex5"
    assert field_text(None) == ""


def test_figures_are_written_whole(profile: Profile, tmp_path: Path) -> None:
    for name, profiles in (("one", [profile]), ("two", [profile, replace(profile, name="again")])):
        path = tmp_path / "new" / f"{name}.png"
        save_profile_figure(path, profiles)
        with Image.open(path) as picture:
            assert torch.tensor(picture.size).min() > 300
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["one.png", "two.png"]
