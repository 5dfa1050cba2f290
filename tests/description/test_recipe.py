import numpy as np
import pytest

import segnet
from segnet.description import recipe
from segnet.description.measure import Sample, Split
from segnet.description.recipe import suggest

NETWORK = segnet.build_network(["data=shapes", "encoder.widths=[4,8]", "encoder.depths=[1,1]"])
MIB = 1 / 1024


def split_of(height: int, width: int, total: int = 100) -> Split:
    nothing = np.zeros(2, dtype=np.int64)
    return Split("train", total, total, [Sample((height, width), nothing, nothing, [], 0, np.zeros((2, 3)))])


@pytest.fixture(autouse=True)
def bytes_of_a_pixel(monkeypatch):
    """A pixel takes 1 KiB, and parameters nothing: 1 MiB has room for 1024 pixels."""
    monkeypatch.setattr(recipe, "pixel_bytes", lambda network, channels: 1024.0)
    monkeypatch.setattr(recipe, "BYTES_OF_A_PARAMETER", 0)


@pytest.mark.parametrize(
    ("size", "mebibytes", "scale", "crop", "batch"),
    [
        ((64, 96), 6 * 8, 1, (64, 96), 8),  # 8 whole images fit exactly
        ((64, 96), 6 * 40, 1, (64, 96), 32),  # no more than 32 in a batch
        ((256, 256), 16 * 8, 1, (128, 128), 8),  # half of the sides
        ((256, 512), 32 * 8, 1, (128, 256), 8),
        ((1024, 1024), 16 * 8, 0.25, (128, 128), 8),  # less than half: made smaller
        ((1024, 1024), 0.5, 0.125, (32, 32), 1),  # nothing fits
    ],
)
def test_crop_scale_and_batch_by_hand(size, mebibytes, scale, crop, batch):
    found = suggest(split_of(*size), NETWORK, 3, mebibytes * MIB)
    assert (found.scale, found.crop, found.batch_size) == (scale, crop, batch)
    assert found.overrides() == [
        f"data.scale={scale:g}",
        f"data.augmentation.crop=[{crop[0]},{crop[1]}]",
        f"data.batch_size={batch}",
    ]
    if batch > 1:
        assert found.gib <= mebibytes * MIB
    else:
        assert "not even this fits" in found.reasons[-1]


def test_a_batch_is_no_larger_than_the_split():
    assert suggest(split_of(64, 64, total=5), NETWORK, 3, 1.0).batch_size == 5


def test_a_pixel_takes_what_a_training_step_keeps(monkeypatch):
    monkeypatch.undo()
    wide = segnet.build_network(["data=shapes", "encoder.widths=[8,16]", "encoder.depths=[1,1]"])
    narrow = recipe.pixel_bytes(NETWORK, 3)
    assert 4 * 4 * 4 < narrow < 4000
    assert 1.6 < recipe.pixel_bytes(wide, 3) / narrow < 2.2
