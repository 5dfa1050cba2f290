import numpy as np
import pytest
from PIL import Image

import segnet
from segnet.errors import UserError
from segnet.inference.files import find_images
from segnet.inference.pipeline import predict_files


@pytest.fixture(scope="module")
def model(segmentation_run):
    return segnet.load(segmentation_run, device="cpu", precision="32-true")


@pytest.fixture
def photos(tmp_path):
    """Images of two sizes, one turned by its orientation, and two broken files."""
    folder, random = tmp_path / "photos", np.random.default_rng(0)
    (folder / "deep").mkdir(parents=True)
    for name, size in (("a.png", (9, 12, 3)), ("b.png", (12, 8, 3)), ("c.png", (9, 12, 3)), ("deep/d.png", (9, 12, 3))):
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(folder / name)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(folder / "turned.png", exif=exif)
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no image")
    return folder


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_all_that_can_be_read_is_predicted_and_the_rest_reported(model, photos, tmp_path):
    output = tmp_path / "out"
    names = find_images(photos, output)
    outcomes = list(predict_files(model, names, output, ["index", "overlay", "probabilities"]))
    assert sorted(outcome.path for outcome in outcomes) == sorted(names)
    assert sorted(outcome.path.name for outcome in outcomes if outcome.error) == ["empty.png", "text.jpg"]
    assert all("cannot read the image" in outcome.error for outcome in outcomes if outcome.error)
    for name in ("a.png", "b.png", "c.png", "deep/d.png", "turned.png"):
        result = model.predict(photos / name)
        assert np.array_equal(pixels(output / "index" / name), result.mask)
        assert np.array_equal(pixels(output / "overlay" / name), result.overlay())
        with np.load(output / "probabilities" / f"{name}.npz") as stored:
            assert stored["probabilities"].shape == (4, *result.mask.shape)
    assert pixels(output / "index" / "turned.png").shape == (12, 9)
    assert not (output / "colour").exists()


def test_what_is_there_already_is_left_out(model, photos, tmp_path):
    names = {path: name for path, name in find_images(photos, tmp_path / "out").items() if path.parent.name == "photos"}
    names = {path: name for path, name in names.items() if path.name in ("a.png", "c.png")}
    list(predict_files(model, {photos / "a.png": "a.png"}, tmp_path / "out"))
    (tmp_path / "out" / "index" / "a.png").write_bytes(b"kept")
    outcomes = list(predict_files(model, names, tmp_path / "out", skip_existing=True))
    assert [(outcome.path.name, outcome.is_skipped) for outcome in outcomes] == [("a.png", True), ("c.png", False)]
    assert (tmp_path / "out" / "index" / "a.png").read_bytes() == b"kept"
    (tmp_path / "out" / "overlay" / "a.png").unlink()  # not whole
    again = predict_files(model, {photos / "a.png": "a.png"}, tmp_path / "out", skip_existing=True)
    assert not any(outcome.is_skipped for outcome in again)


def test_originals_are_never_replaced(enlarging_run, photos):
    before = {path: path.read_bytes() for path in photos.glob("*.*")}
    model = segnet.load(enlarging_run, precision="32-true")
    with pytest.raises(UserError, match="would replace an image of the input"):
        list(predict_files(model, {path: path.name for path in before}, photos))
    assert {path: path.read_bytes() for path in photos.glob("*.*")} == before


def test_a_small_file_that_claims_many_pixels_is_reported(model, photos, tmp_path):
    names = {photos / "a.png": "a.png", photos / "b.png": "b.png"}
    outcomes = list(predict_files(model, names, tmp_path / "out", max_pixels=100))
    errors = {outcome.path.name: outcome.error for outcome in outcomes}
    assert "claims 12x9 pixels, more than max_pixels=100: set max_pixels=108" in errors["a.png"]
    assert errors["b.png"] is None


def test_bad_settings_are_sentences(model, enlarging_run, photos, tmp_path):
    names = {photos / "a.png": "a.png"}
    with pytest.raises(UserError, match=r"write=mask is not known: choose from index, colour"):
        list(predict_files(model, names, tmp_path / "out", ["mask"]))
    with pytest.raises(UserError, match=r"write=\[index\] is for segmentation"):
        list(predict_files(segnet.load(enlarging_run), names, tmp_path / "out", ["index"]))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file cannot be written .*: name another folder"):
        list(predict_files(model, names, tmp_path / "file"))
