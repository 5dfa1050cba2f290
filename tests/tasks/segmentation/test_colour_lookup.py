import numpy as np

from segnet.metrics import scores
from segnet.tasks.segmentation.colour_lookup import ColourLookup


def test_a_lookup_solves_what_colour_decides():
    class Coloured:
        ids = ("a", "b")

        def load(self, index, random):
            label = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)
            return np.stack([label % 3 * 80] * 3, axis=-1), label

    lookup = ColourLookup(3, 255, channels=3)
    lookup.fit(Coloured())
    confusion = lookup.evaluate(Coloured())
    assert scores(confusion).miou == 1
    assert confusion.sum() == 10
    assert (lookup.predict(np.full((1, 1, 3), 250, np.uint8)) == 1).all()  # never seen: the commonest, 1 before 2


def test_one_channel_keeps_its_256_values():
    class Grey:
        ids = ("a",)

        def load(self, index, random):
            return np.array([[[6], [7], [7]]], np.uint8), np.array([[0, 1, 1]], np.uint8)

    lookup = ColourLookup(2, 255, channels=1)
    lookup.fit(Grey())
    assert lookup.predict(np.array([[[6], [7]]], np.uint8)).tolist() == [[0, 1]]
