from pathlib import Path

import pytest
from PIL import Image

from segnet.errors import UserError
from segnet.inference.files import find_images, refuse_overwriting, result_names


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            Image.new("RGB", (2, 2)).save(file, "PNG")


def found(source: Path, output: Path) -> dict[str, str]:
    base = source if source.is_dir() else source.parent
    return {path.relative_to(base).as_posix(): name for path, name in find_images(source, output).items()}


def test_hidden_files_folders_with_an_ending_and_the_output_are_left_out(tmp_path):
    write(tmp_path, "a.png", "deep/b.JPG", "tiles.png/c.png", "._a.png", ".thumbs/d.png", "masks/index/a.png")
    (tmp_path / "notes.txt").write_text("no image")
    names = {"a.png": "a.png", "deep/b.JPG": "deep/b.png", "tiles.png/c.png": "tiles.png/c.png"}
    assert found(tmp_path, tmp_path / "masks") == names
    assert find_images(tmp_path / "a.png", tmp_path) == {tmp_path / "a.png": "a.png"}


def test_a_pattern_keeps_the_folders_below_its_fixed_part(tmp_path):
    write(tmp_path, "x/one/a_rgb.png", "x/two/a_rgb.png", "x/two/a_depth.png")
    names = find_images(tmp_path / "x" / "**" / "*_rgb.png", tmp_path)
    assert list(names.values()) == ["one/a_rgb.png", "two/a_rgb.png"]


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["a.jpg", "a.png", "a.jpg.png"], ["a.jpg.png", "a.png.png", "a.jpg.png.png"]),
        (["a.jpg", "b.jpg"], ["a.png", "b.png"]),
        (["tiles.jpg", "tiles.png/a.png"], ["tiles.jpg.png", "tiles.png/a.png"]),
        (["t.jpg", "t.png/a.png", "t.jpg.png/a.png"], ["t.jpg.png.png", "t.png/a.png", "t.jpg.png/a.png"]),
        (["one/a.jpg", "two/a.png"], ["one/a.png", "two/a.png"]),
    ],
)
def test_names_are_one_to_one(images, names):
    assert [path.as_posix() for path in result_names(list(map(Path, images)))] == names


def test_what_holds_no_image_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="nothing does not exist"):
        find_images(tmp_path / "nothing", tmp_path / "masks")
    with pytest.raises(UserError, match="holds no images"):
        find_images(tmp_path, tmp_path / "masks")
    with pytest.raises(UserError, match=r"holds no images"):
        find_images(tmp_path / "*.png", tmp_path / "masks")
    write(tmp_path, "a.png")
    with pytest.raises(UserError, match="is the input folder: name another one"):
        find_images(tmp_path, tmp_path / "." / "deep" / "..")


def test_a_result_on_an_input_is_refused(tmp_path):
    write(tmp_path, "a.png", "b/c.png")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    with pytest.raises(UserError, match=r"c\.png would replace an image of the input"):
        refuse_overwriting([tmp_path / "b" / "c.png"], [tmp_path / "link" / "c.png"])
    refuse_overwriting([tmp_path / "a.png"], [tmp_path / "b" / "a.png"])
