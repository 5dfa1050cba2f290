import json
import math

import pytest

from segnet.errors import UserError
from segnet.run_folder import read_history, read_metrics, write_history, write_metrics, write_together


def test_metrics_are_read_as_they_were_written(tmp_path):
    assert read_metrics(tmp_path) == {}
    write_metrics(tmp_path, {"status": "completed", "seed": 3}, {"test/miou": 0.5, "test/iou/pole": math.nan})
    assert read_metrics(tmp_path) == {"status": "completed", "seed": 3, "test/miou": 0.5, "test/iou/pole": None}
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_damaged_metrics_are_named(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"seed": 0})[:-1])
    with pytest.raises(UserError, match=r"metrics\.json is not whole \(.*\): run the command that wrote it again"):
        read_metrics(tmp_path)


def test_files_that_belong_together_are_all_replaced_or_none(tmp_path):
    files = {tmp_path / "a": "new", tmp_path / "b": b"new"}
    for path in files:
        path.write_text("old")
    (tmp_path / "sub").write_text("no folder")
    with pytest.raises(UserError, match=r"could not be written: .*; name another folder in output="):
        write_together({**files, tmp_path / "sub" / "c": "new"})
    assert [path.read_text() for path in files] == ["old", "old"]
    write_together(files)
    assert [path.read_text() for path in files] == ["new", "new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "sub"]


def test_history_has_one_row_per_epoch(tmp_path):
    path = tmp_path / "history.csv"
    assert read_history(path) == []
    write_history(path, [{"epoch": 0, "val/miou": 0.25}, {"epoch": 1, "val/miou": 0.5}])
    assert read_history(path) == [{"epoch": "0", "val/miou": "0.25"}, {"epoch": "1", "val/miou": "0.5"}]
