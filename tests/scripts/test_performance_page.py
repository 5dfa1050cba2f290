"""The page of the benchmarks, from records that are made up."""

import json
import sys
from pathlib import Path

import pytest

from scripts.benchmarks import page, record, results, run_all

DEVICE = {"device": "cpu", "device_name": "some processor", "threads": 2, "torch": "2.11.0"}
ROWS = [
    {
        "table": "steps",
        "program": "ours",
        "seconds": record.spread([1.0, 2.0, 4.0]),
        "peak | MiB": 1234,
        "faster": True,
    },
    {"table": "steps", "program": "theirs", "seconds": {"median": 250.0, "low": 0.01234, "high": 300.5}, "ratio": 2.5},
    {"table": "epochs", "program": "ours", "seconds": None},
]


def write(folder: Path, name: str = "growth", about: str = "What it is.", device: str = "cpu") -> Path:
    return record.write_record(folder, name, DEVICE | {"device": device}, "A title", about, ROWS)


def section(text: str, heading: str) -> str:
    """Return what stands below a heading of the second or third level, up to the next one."""
    return text.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]


def test_page_shows_tables_device_and_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["growth.py", "--out", "/somewhere/of/mine", "--device", "cpu"])
    write(tmp_path)
    text = page.render(page.read_records(tmp_path))
    assert section(text, "## How cost grows").strip() == "What it is."
    assert section(text, "### CPU: How cost grows").split("\n")[1:] == [
        f"some processor; threads 2, torch 2.11.0; {json.loads((tmp_path / 'growth-cpu.json').read_text())['date']}; "
        "`python -m scripts.benchmarks.growth --device cpu`.",
        "",
        "**steps**",
        "",
        "| program | seconds | peak \\| MiB | faster | ratio |",
        "| --- | --- | --- | --- | --- |",
        "| ours | 2 (1.5 to 3) | 1,234 | yes | - |",
        "| theirs | 250 (0.0123 to 300) | - | - | 2.5 |",
        "",
        "**epochs**",
        "",
        "| program | seconds |",
        "| --- | --- |",
        "| ours | - |",
        "",
    ]
    assert (
        section(text, "### GPU (CUDA): How cost grows")
        .strip()
        .startswith("Not measured yet: `python -m scripts.benchmarks.")
    )
    assert text.count("Not measured yet") == 2 * len(page.BENCHMARKS) - 1


def test_page_says_what_differs_between_devices_and_keeps_unknown_records(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["growth.py"])
    write(tmp_path, about="In float32.")
    write(tmp_path, about="In bfloat16.", device="cuda")
    write(tmp_path, name="something_else")
    text = page.render(page.read_records(tmp_path))
    assert text.count("In float32.") == text.count("In bfloat16.") == 1
    assert "In float32." in section(text, "### CPU: How cost grows")
    assert "What it is." in section(text, "## something_else")


def test_page_takes_a_record_without_a_text(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["growth.py"])
    path = write(tmp_path)
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "about"}))
    assert section(page.render(page.read_records(tmp_path)), "## How cost grows").strip() == "A title."


def test_spread_is_median_and_quartiles():
    assert record.spread([4.0, 1.0, 2.0, 3.0, 5.0]) == {"median": 3.0, "low": 2.0, "high": 4.0, "repeats": 5}
    assert record.spread([7.0]) == {"median": 7.0, "low": 7.0, "high": 7.0, "repeats": 1}


def test_a_benchmark_that_hangs_or_fails_does_not_keep_the_others(tmp_path, monkeypatch):
    (package := tmp_path / "made_up_benchmarks").mkdir()
    monkeypatch.setattr(run_all, "PACKAGE", package.name)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    (package / "__init__.py").touch()
    (package / "hangs.py").write_text("import threading; threading.Event().wait()")
    (package / "fails.py").write_text("raise SystemExit(3)")
    (package / "writes.py").write_text("import sys, pathlib; pathlib.Path(sys.argv[4], 'c-cpu.json').write_text('{}')")
    outcomes = [
        run_all.run(page.Benchmark(name, module, ""), "cpu", tmp_path, limit)
        for name, module, limit in [
            ("a", "hangs", 0.5),
            ("b", "fails", 60),
            ("c", "writes", 60),
            ("c", "writes", 60),
            ("d", "absent", 60),
            ("a", "hangs", 0),
        ]
    ]
    assert outcomes[0] == "was stopped after 0 s"
    assert outcomes[1] == "failed with exit code 3"
    assert outcomes[2].startswith("took")
    assert outcomes[3:] == ["is there already", "has no module", "had no time left"]


@pytest.mark.parametrize("benchmark", page.BENCHMARKS)
def test_no_two_sections_share_a_record_or_a_module(benchmark):
    assert sum(other.name == benchmark.name or other.module == benchmark.module for other in page.BENCHMARKS) == 1


def test_a_record_that_grows_names_all_the_commands_that_made_it(tmp_path, monkeypatch):
    path, commands = record.record_path(tmp_path, "growth", "cpu"), []
    for arguments in ([], ["--only", "side"], ["--only", "side"]):
        monkeypatch.setattr(sys, "argv", ["growth.py", *arguments])
        rows = results.Record(tmp_path, "growth", "cpu", "A title", "About.", ("size",))
        rows.add({"size": len(arguments), "seconds": 1.0})
        commands.append(json.loads(path.read_text())["command"])
    first, second = "python -m scripts.benchmarks.growth", "python -m scripts.benchmarks.growth --only side"
    assert commands == [first, f"{first}; then {second}", f"{first}; then {second}"]
    assert [row["size"] for row in json.loads(path.read_text())["rows"]] == [0, 2]


def test_the_committed_page_is_what_the_records_say():
    assert record.PAGES.with_suffix(".md").read_text() == page.render(page.read_records(record.PAGES))
