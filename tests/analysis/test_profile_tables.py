import io
import re
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from segnet.analysis.latency import Latency
from segnet.analysis.profile import Profile
from segnet.analysis.profile_tables import comparison_rows, comparison_table, field_text, notes, stage_table
from segnet.analysis.receptive_field import ReceptiveField


def printed(table: Table) -> str:
    file = io.StringIO()
    Console(file=file, width=200).print(table)
    return file.getvalue()


def test_stage_table(profile: Profile) -> None:
    text = printed(stage_table(profile, "here", modules=True))
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


def test_notes_below_the_stage_table(profile: Profile) -> None:
    lines = notes(profile)
    assert f"plain form: 2.00 M MACs, {2_000_000 / profile.totals['macs']:.2f} times what runs" in lines
    assert "inference: 2.00 ms (quartiles 1.50 ms to 3.00 ms, 7 calls)" in lines
    assert lines[-1].startswith("checkerboard: logits/nyquist_energy 0.")
    assert any(line.startswith("95% of the centre pixel's gradient energy lies in ") for line in lines)


def test_comparison_table(profile: Profile) -> None:
    other = replace(
        profile, name="other", latencies={"inference": Latency(3.0, 3.0, 3.0, 7)}, stages=profile.stages[:1]
    )
    text = printed(comparison_table([profile, other], "here"))
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
