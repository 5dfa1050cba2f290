import numpy as np
import pytest

from segnet.data.verification import verify_splits
from segnet.data.verification.images import alike, fingerprint

CLASSES = ["sky", "road", "tree"]


class Held:
    """A split of labels that are given, with random images."""

    def __init__(self, *labels, start=0):
        self.labels, self.start = labels, start
        self.ids = [f"{start + number}.png" for number in range(len(labels))]

    def load(self, index, random):
        image = np.random.default_rng(self.start + index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return image, np.resize(np.array(self.labels[index], np.uint8), (8, 8))


def details(*labels, kind):
    problems = verify_splits({"train": Held(*labels)}, CLASSES, 11)
    return [f"{one.file} {one.detail}" for one in problems if one.kind == kind]


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        (([0, 1, 2, 255], [0, 1]), "255 (16 px): 255 is the usual mark of pixels that do not count: set data.ignore"),
        (([0, 255], [0, 255]), "255 (32 px): a black and white mask: 255 is its foreground"),
        (([1, 2, 3], [1, 2]), "3 (21 px): no label holds 0, so they count from 1"),
        ((list(range(64)), [0, 1]), "3 (1 px), 4 (1 px), 5 (1 px), 6 (1 px) and 56 more: so many values come from"),
        (([0, 1, 128, 64], [0]), "64 (16 px), 128 (16 px): a colour-coded mask read as numbers"),
        (([0, 1, 2, 7], [0]), "7 (16 px): mend the label, or add the class"),
    ],
)
def test_the_likely_cause_of_a_strange_label(labels, cause):
    found = details(*labels, kind="label outside the classes")
    assert found[0].startswith(f"0.png {cause}")


def test_ignored_labels_are_no_problem():
    assert details([0, 1, 2, 11], kind="label outside the classes") == []


def test_a_class_that_is_never_seen_and_an_empty_split():
    problems = verify_splits({"train": Held([0, 1]), "val": Held()}, CLASSES, 11)
    assert [(one.severity, one.split, one.kind) for one in problems] == [
        ("error", "val", "empty split"),
        ("warning", "train", "class never seen"),
    ]
    assert problems[1].detail == "tree: never learned, so never found"


def test_the_training_image_is_left_out_for_its_copy_in_the_test():
    (copy,) = [
        one
        for one in verify_splits({"train": Held([0, 1, 2]), "test": Held([0, 1, 2])}, CLASSES, 11)
        if one.kind == "same image in two splits"
    ]
    assert (copy.split, copy.file, copy.sample) == ("test", "0.png", "0.png")


def test_every_sample_passes_the_bar_once():
    seen = []

    def bar(samples, total):
        for sample in samples:
            seen.append(total)
            yield sample

    verify_splits({"train": Held([0], [1], [2])}, CLASSES, 11, threads=2, progress=bar)
    assert seen == [3, 3, 3]


def test_a_flat_image_has_no_fingerprint():
    assert fingerprint(np.full((50, 60, 3), 77, np.uint8)) is None


def test_a_grey_image_has_that_of_its_colours():
    grey = np.random.default_rng(0).integers(0, 256, (40, 50, 1), dtype=np.uint8)
    assert (fingerprint(grey) == fingerprint(np.repeat(grey, 3, axis=-1))).all()


def test_alike_names_the_closest_within_the_bound():
    base = np.random.default_rng(0).random((3, 256)) > 0.5
    near, far = base[2].copy(), base[0].copy()
    near[:24] ^= True
    far[:25] ^= True
    assert alike(np.stack([far, near]), base, chunk=1) == [(1, 2)]
    assert alike(base[:0], base) == []
