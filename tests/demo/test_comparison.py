import numpy as np
import pytest
from PIL import Image

from segnet.data.images import from_pillow
from segnet.demo import comparison
from segnet.demo.comparison import compare, first_views, load_models, marked, short_names, views
from segnet.errors import UserError
from segnet.training.run import train


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def seen(twice, image):
    return compare(image, twice)


def test_views_of_one_run_and_of_several():
    assert views(["a"]) == ["image", "overlay", "mask"]
    assert first_views(["a"]) == ("image", "overlay")
    assert views(["a", "b"]) == ["image", "a: overlay", "a: mask", "b: overlay", "b: mask"]
    assert first_views(["a", "b", "c"]) == ("a: overlay", "b: overlay")


def test_each_view_is_what_the_run_predicts(seen, twice, image):
    for name, model in twice.items():
        result = model.predict(image)
        assert np.array_equal(seen.picture(f"{name}: mask"), result.colour())
        assert np.array_equal(seen.picture(f"{name}: overlay", 0.3), result.overlay(0.3))
        at = seen.probabilities_at(column=29, row=4)[name]
        assert list(at) == list(model.classes)
        np.testing.assert_allclose(list(at.values()), result.probabilities[:, 4, 29], atol=1e-3)
        assert seen.shares()[name][model.classes[0]] == pytest.approx(np.mean(result.mask == 0))
    assert np.array_equal(seen.picture("image"), image)


def test_large_images_are_thinned_out(seen, monkeypatch):
    monkeypatch.setattr(comparison, "LARGEST_SIDE", 10)
    assert seen.step == 3
    assert np.array_equal(seen.picture("image"), seen.image[::3, ::3])


def test_the_table_has_a_row_per_class_of_any_run_and_escapes_names(seen):
    table = seen.table({"<b>": {"car": 0.25, "road": 0.5}, "other": {"car": 1.0}})
    assert "&lt;b&gt;" in table
    assert "<b>" not in table.replace('<b style="', "")
    assert table.index(">car<") < table.index(">road<") < table.index(">sky<")
    assert "25.0%" in table


def test_the_mark_leaves_the_pixel_free(image):
    picture = marked(image, 0, 19)
    assert np.array_equal(picture[19, 0], image[19, 0])
    assert (picture[19, 2:5] == comparison.MARK_COLOUR).all()
    assert (picture[15:19, 0] == comparison.MARK_COLOUR).all(axis=-1).any()


def test_grey_is_what_decoding_gives(image):
    assert np.array_equal(
        from_pillow(Image.fromarray(image), 1)[..., 0], np.asarray(Image.fromarray(image).convert("L"))
    )


def test_names_tell_runs_apart():
    assert short_names(["run"]) == ["run"]
    assert short_names(["runs/camvid/2026"]) == ["camvid/2026"]
    assert short_names(["runs/nearest/0-a4", "runs/bilinear/0-99"]) == ["nearest/0-a4", "bilinear/0-99"]
    assert short_names(["x/runs/a/0", "y/runs/a/0"]) == ["x/runs/a/0", "y/runs/a/0"]
    with pytest.raises(UserError, match="x is given twice: leave it out of compare="):
        short_names(["x", "x"])


@pytest.mark.slow
def test_runs_that_enlarge_images_are_refused(tiny_config, tmp_path):
    train(tiny_config("trainer.max_epochs=1", "task=super_resolution"), tmp_path / "run")
    with pytest.raises(UserError, match="enlarges images, and the page shows classes: segnet-predict enlarges"):
        load_models([str(tmp_path / "run")], device="cpu")
