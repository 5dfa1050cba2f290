import itertools
import sys

import numpy as np
import pytest

from segnet.build import data_from_config
from segnet.config import compose
from segnet.data import Acquisition, sample_groups
from segnet.data.datasets.acquisition import smooth_field
from segnet.data.datasets.brain import brain_volume
from segnet.errors import UserError
from segnet.metrics import scores
from segnet.tasks.segmentation.colour_lookup import ColourLookup


@pytest.fixture(scope="module")
def data():
    return data_from_config(compose(["data=brain"]))


@pytest.mark.slow
def test_the_volume_is_the_icbm_template():
    intensities, labels = brain_volume()
    assert intensities.shape == labels.shape == (197, 233, 189)
    assert ((labels == 0) == (intensities == 0)).all()
    # Grey matter is darker than white matter and brighter than the fluid in a T1 image.
    means = [intensities[labels == kind].mean() for kind in (1, 2, 3)]
    assert means[0] < means[1] < means[2] == pytest.approx(1, abs=1e-4)


def test_splits_are_slabs_with_a_gap_between(data):
    slices = {name: [int(name_[5:]) for name_ in data.split(name).ids] for name in ("train", "val", "test")}
    for numbers in slices.values():
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
    ordered = sorted(slices.values())
    gaps = [after[0] - before[-1] - 1 for before, after in itertools.pairwise(ordered)]
    assert min(gaps) >= 5


def test_slices_of_the_one_head_belong_together(data):
    assert set(sample_groups(data.split("test"))) == {"icbm152"}


def test_slabs_too_close_are_refused():
    close = "data.dataset.slabs={val:[20,29],train:[33,90],test:[100,120]}"
    with pytest.raises(UserError, match=r"slabs val and train of data=brain leave 3 slices .*: leave at least 5"):
        data_from_config(compose(["data=brain", close])).split("train")


def test_evaluation_images_are_fixed_and_training_images_are_fresh(data):
    first, again = (data.eval_loader("test").dataset[3] for _ in range(2))
    assert (first["image"] == again["image"]).all()
    samples = data.train_loader().dataset
    assert (samples[0, 3].image == samples[0, 3].image).all()
    assert (samples[0, 3].image != samples[1, 3].image).any()


def test_a_batch_is_the_slices_themselves_and_their_mirrors(data):
    batch = next(data.training_batches(0))
    volume = np.ascontiguousarray(brain_volume()[1][:, ::-1].T)
    for label, index in zip(batch["label"].numpy(), batch["index"], strict=True):
        expected = volume[20 + index]
        assert np.array_equal(label, expected) or np.array_equal(label, expected[:, ::-1])
    assert batch["image"].shape == (4, 1, 233, 197)


def test_every_class_occurs_in_every_split(data):
    for split in ("train", "val", "test"):
        assert (data.pixel_counts(split).sum(0) > 1000).all()


def test_a_lookup_does_not_solve_it(data):
    lookup = ColourLookup(4, 255, channels=1)
    lookup.fit(data.split("train"), images=20)
    assert 0.4 < scores(lookup.evaluate(data.split("test"))).miou < 0.6


def test_without_acquisition_a_lookup_does():
    overrides = ["noise=0", "non_uniformity=0", "gamma=[1,1]"]
    plain = data_from_config(compose(["data=brain", *(f"data.dataset.acquisition.{text}" for text in overrides)]))
    lookup = ColourLookup(4, 255, channels=1)
    lookup.fit(plain.split("train"), images=20)
    assert scores(lookup.evaluate(plain.split("test"))).miou > 0.85


def test_without_nilearn_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    brain_volume.cache_clear()
    with pytest.raises(UserError, match=r"pip install -e '\.\[brain\]'"):
        data_from_config(compose(["data=brain"])).split("train")


def test_noise_is_rician():
    acquire = Acquisition(noise=0.09, non_uniformity=0.0, gamma=(1.0, 1.0))
    random = np.random.default_rng(0)
    air = acquire(np.zeros((400, 400)), random)
    # In air a Rician is a Rayleigh: mean sigma * sqrt(pi / 2).
    assert air.mean() == pytest.approx(0.09 * np.sqrt(np.pi / 2), rel=0.01)
    assert air.std() == pytest.approx(0.09 * np.sqrt(2 - np.pi / 2), rel=0.01)
    bright = acquire(np.ones((400, 400)), random)
    assert (bright**2).mean() == pytest.approx(1 + 2 * 0.09**2, rel=0.01)


def test_the_field_is_smooth_and_spans_its_range():
    field = smooth_field((100, 80), np.random.default_rng(1))
    assert field.min() == -1
    assert field.max() == 1
    assert np.abs(np.diff(field, axis=0)).max() < 0.1
    signal = Acquisition(0.0, 0.4, (1.0, 1.0))(np.ones((100, 80)), np.random.default_rng(1))
    assert signal.min() == pytest.approx(0.8, abs=1e-5)
    assert signal.max() == pytest.approx(1.2, abs=1e-5)


def test_gamma_bends_the_intensities():
    clean = np.linspace(0, 1, 50).reshape(5, 10)
    assert Acquisition(0.0, 0.0, (2.0, 2.0))(clean, np.random.default_rng(0)) == pytest.approx(clean**2, abs=1e-6)
