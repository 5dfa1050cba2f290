import sys

import numpy as np
import pytest
from PIL import Image

from segnet.cli import data
from segnet.config import compose
from segnet.data.datasets.folder.layout import find_layout
from segnet.errors import UserError

SMALL = ("encoder.widths=[4,8]", "encoder.depths=[1,1]")


def run(*overrides):
    data.work(compose(["action=verify", *overrides], "data"))


@pytest.fixture
def photos(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/images/{number}.png")
        Image.fromarray(pixels[..., 0] % 2).save(tmp_path / f"photos/masks/{number}.png")
    return tmp_path / "photos"


def test_a_whole_set_ends_well(capsys):
    run("data=shapes", "data.size=[16,24]", "data.images={train:4,val:2,test:2}")
    assert "8 images: 0 errors" in capsys.readouterr().out


def test_errors_end_the_command_and_are_listed_to_be_left_out(photos, capsys):
    (photos / "masks/1.png").unlink()
    (photos / "images/2.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"6 images: 2 errors, 0 warnings, 0 notes"):
        run("data=folder", f"data.root={photos}", "fix=list", f"table={photos.parent / 'problems.csv'}", "rows=1")
    shown = capsys.readouterr().out
    assert "it has no mask" in shown
    assert "2 images more; a training leaves them out from now on" in shown
    assert (photos / "leave_out.txt").read_text() == "images/1.png\nimages/2.png\n"
    assert (photos.parent / "problems.csv").read_text().splitlines()[0] == "severity,problem,split,file,detail"
    run("data=folder", f"data.root={photos}", "fix=list")
    assert "nothing to leave out" in capsys.readouterr().out
    assert len(find_layout(photos).splits["all"]) == 6


def test_rows_bound_what_is_shown_of_a_kind(photos, capsys):
    for number in range(3):
        (photos / f"masks/{number}.png").unlink()
    with pytest.raises(UserError, match="3 errors"):
        run("data=folder", f"data.root={photos}", "rows=1")
    assert "and 2 more: rows=null shows all" in capsys.readouterr().out


def test_describe_prints_tables_and_writes_a_page(photos, capsys, monkeypatch):
    monkeypatch.chdir(photos.parent)
    monkeypatch.setattr(
        sys, "argv", ["segnet-data", "action=describe", "data=folder", "data.root=photos", "images=4", "epochs=3"]
    )
    run("action=describe", "data=folder", f"data.root={photos}", "ceiling_images=1", "images=4", *SMALL)
    shown = capsys.readouterr().out
    assert "6 (4 read)" in shown
    assert "to begin with: segnet-train data=folder data.root=photos epochs=3 data.scale=1" in shown
    assert "'data.augmentation.crop=[12,16]' data.batch_size=6" in shown
    page = (photos.parent / "dataset.html").read_text()
    assert "<title>photos: data set</title>" in page
    assert '<code class="command">segnet-data describe data=folder data.root=photos images=4 epochs=3</code>' in page


def test_show_writes_a_picture_of_the_augmentations(photos, tmp_path, capsys):
    picture = tmp_path / "out" / "seen.png"
    run("action=show", "data=folder", f"data.root={photos}", "shown=2", "draws=3", f"output={picture}")
    assert capsys.readouterr().out.splitlines()[-1] == f"written: {picture}"
    with Image.open(picture) as image:
        assert image.width > image.height > 300


@pytest.mark.camvid
@pytest.mark.slow
def test_camvid_has_no_problem(capsys):
    run("data=camvid")
    assert capsys.readouterr().out == "701 images: 0 errors, 0 warnings, 0 notes\n"


def test_a_set_that_is_not_there_is_an_error_of_each_split(tmp_path, capsys):
    with pytest.raises(UserError, match="0 images: 3 errors"):
        run("data=camvid", f"data.root={tmp_path}")
    assert "split cannot be opened" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["action=null"],
            "first: segnet-data describe or download or pack or show or verify, as in segnet-data verify",
        ),
        (["action=mend"], "and not mend"),
        (["fix=all"], "fix=all is not allowed: give list, or null"),
        (["threads=0"], "threads=0 is not allowed"),
        (["data=folder"], "say data.root=FOLDER"),
        (["action=download"], "data=shapes has nothing to download"),
        (
            ["action=download", "data=cityscapes", "data.root=nowhere"],
            "Cityscapes is not downloaded, because it needs an account: get it from https://www.cityscapes-dataset.com",
        ),
        (["action=describe", "images=0"], "images=0 is not allowed: give a number from 1 up, or null"),
        (["action=describe", "budget_gib=0"], "budget_gib=0 is not allowed: give a number above 0"),
        (["action=describe", "ceiling_images=-1"], "ceiling_images=-1 is not allowed: give a number from 0 up"),
        (["action=show", "draws=0"], "draws=0 is not allowed: give a number from 1 up"),
        (["action=show", "shown=0"], "shown=0 is not allowed: give a number from 1 up"),
    ],
)
def test_mistakes_are_sentences(overrides, message):
    with pytest.raises(UserError, match=message):
        run("data=shapes", *overrides)


def test_the_first_word_is_the_action(monkeypatch):
    called = []
    monkeypatch.setattr(data, "run_command", lambda name, work: called.append((name, sys.argv[1:])))
    for arguments in (["verify", "data=shapes"], ["data=shapes"], ["--help"], []):
        monkeypatch.setattr(sys, "argv", ["segnet-data", *arguments])
        data.main()
    assert called == [
        ("data", ["action=verify", "data=shapes"]),
        ("data", ["data=shapes"]),
        ("data", ["--help"]),
        ("data", []),
    ]


def test_pack_writes_what_trains_as_the_set(photos, capsys):
    output = photos.parent / "packed"
    settings = ("data.batch_size=3", "data.augmentation.rotation=7", "data.scale=0.5")
    run("data=folder", f"data.root={photos}", "action=pack", f"output={output}", *settings)
    shown = capsys.readouterr().out
    assert "train: 6 samples in 1 chunks" in shown
    assert f"written: {output}; train on it with data=packed data.root={output}" in shown
    packed = compose(["data=packed", f"data.root={output}"]).data
    whole = compose(["data=folder", f"data.root={photos}", *settings]).data
    same = ("name", "classes", "mean", "std", "channels", "ignore_index", "batch_size", "eval_batch_size", "scale")
    assert [packed[key] for key in same] == [whole[key] for key in same]
    assert packed.augmentation == whole.augmentation
    run("data=packed", f"data.root={output}")
    assert "8 images: 0 errors" in capsys.readouterr().out


def test_pack_asks_for_a_folder_and_a_size(photos):
    with pytest.raises(UserError, match=r"say output=\.\.\., as in output=FOLDER"):
        run("data=folder", f"data.root={photos}", "action=pack")
    with pytest.raises(UserError, match=r"store=x is not allowed: give files, or pixels"):
        run("data=folder", f"data.root={photos}", "action=pack", "store=x", f"output={photos.parent}/x")
    with pytest.raises(UserError, match=r"shard_mb=0 is not allowed: give an integer from 1 to 1024"):
        run("data=folder", f"data.root={photos}", "action=pack", "shard_mb=0", f"output={photos.parent}/x")
