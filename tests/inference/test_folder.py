import numpy as np
import pytest
from PIL import Image

from segnet.data.images import read_image
from segnet.errors import UserError
from segnet.inference.folder import find_images, predict_images


def test_finds_images_and_keeps_their_names_apart(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.png", "a.jpg", "b.JPG", "deep/a.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    found = {str(path.relative_to(tmp_path)): name for path, name in find_images(tmp_path).items()}
    assert found == {"a.png": "a.png.png", "a.jpg": "a.jpg.png", "b.JPG": "b.png", "deep/a.png": "deep/a.png"}
    assert find_images(tmp_path / "a.png") == {tmp_path / "a.png": "a.png"}
    assert read_image(tmp_path / "a.png", channels=1).shape == (2, 2, 1)
    with pytest.raises(UserError, match="does not exist"):
        find_images(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        find_images(tmp_path / "empty")


class Inverting:
    """Stands for a task; its pictures go into two folders."""

    def pictures(self, network, data, image, opacity):
        return {"inverted": 255 - image[..., 0], "seen": image[..., 0]}


class Grey:
    """Stands for a data module."""

    channels = 1


def test_pictures_are_written_one_image_after_another(tmp_path):
    names = {}
    for number, name in enumerate(("a", "b")):
        Image.fromarray(np.full((2, 3), 10 * number, np.uint8)).save(tmp_path / f"{name}.png")
        names[tmp_path / f"{name}.png"] = f"deep/{name}.png"
    output = tmp_path / "output"
    predicted = predict_images(None, Inverting(), Grey(), names, output, opacity=0.5)
    assert next(predicted) == tmp_path / "a.png"
    assert not (output / "inverted/deep/b.png").exists()
    assert list(predicted) == [tmp_path / "b.png"]
    with Image.open(output / "inverted/deep/b.png") as picture:
        assert np.asarray(picture).tolist() == [[245] * 3] * 2
    with Image.open(output / "seen/deep/a.png") as picture:
        assert np.asarray(picture).tolist() == [[0] * 3] * 2


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"a\.png"):
        list(predict_images(None, Inverting(), Grey(), {tmp_path / "a.png": "a.png"}, tmp_path / "output", 0.5))
