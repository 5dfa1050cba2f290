import pytest
from PIL import Image

from segnet.data import read_image
from segnet.errors import UserError
from segnet.inference.folder import find_images


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
