import numpy as np
import pytest

from segnet.data import Shapes
from segnet.data.datasets.shapes import DISC, POLE, draw_scene, render

SETTINGS = {"images": {"train": 6, "val": 2, "test": 2}, "shapes": 8, "noise": 0.05, "seed": 0}


def test_scenes_come_from_the_seed_alone():
    one, two = (Shapes("train", size=(24, 32), **SETTINGS) for _ in range(2))
    for index in (4, 1):
        for first, second in zip(
            one.load(index, np.random.default_rng(0)), two.load(index, np.random.default_rng(9)), strict=True
        ):
            assert np.array_equal(first, second)
    other = Shapes("val", size=(24, 32), **SETTINGS)
    assert not np.array_equal(other.load(1, np.random.default_rng(0))[0], one.load(1, np.random.default_rng(0))[0])


def test_labels_are_exact_at_any_size():
    """Drawing 3 times larger puts a pixel centre on each old one, and there the labels must agree."""
    for seed in range(5):
        scene = draw_scene(np.random.default_rng(seed), aspect=1.5, shapes=10)
        _, small = render(scene, (20, 30))
        _, large = render(scene, (60, 90))
        assert np.array_equal(large[1::3, 1::3], small)


def test_a_disc_is_where_its_equation_says():
    scene = draw_scene(np.random.default_rng(3), 1.0, 30)
    disc = next(shape for shape in reversed(scene) if shape.kind == DISC)
    _, label = render([scene[0], disc], (50, 50))
    for row in range(50):
        for column in range(50):
            x, y = (column + 0.5) / 50, (row + 0.5) / 50
            inside = (x - disc.centre[0]) ** 2 + (y - disc.centre[1]) ** 2 <= disc.radius**2
            assert label[row, column] == (DISC if inside else 0)


def test_the_topmost_shape_hides_the_others():
    scene = draw_scene(np.random.default_rng(0), 1.0, 12)
    top = scene[-1]
    _, label = render(scene, (64, 64))
    _, alone = render([scene[0], top], (64, 64))
    assert (label[alone == top.kind] == top.kind).all()


def test_poles_are_thin_and_every_class_occurs():
    dataset = Shapes("train", size=(96, 128), images={"train": 20}, shapes=8, noise=0.0, seed=0)
    labels = np.stack([dataset.load(index, np.random.default_rng())[1] for index in range(20)])
    shares = np.bincount(labels.ravel(), minlength=4) / labels.size
    assert (shares > 0.002).all()
    assert shares[POLE] == min(shares)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 64)])
def test_draws_any_size(size):
    image, label = Shapes("test", size=size, **SETTINGS).load(0, np.random.default_rng())
    assert image.shape == (*size, 3)
    assert image.dtype == label.dtype == np.uint8
    assert label.shape == size
