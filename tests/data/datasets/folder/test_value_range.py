"""Images of more than 8 bits, by the range that ``dataset.yaml`` gives, from the training to the exported file."""

import numpy as np
import pytest
import tifffile

from segnet.build import data_from_config, facts_from_config
from segnet.config import compose
from segnet.data import Folder
from segnet.data.verification.folder import folder_splits
from segnet.errors import UserError
from segnet.inference.export_facts import ExportFacts
from segnet.inference.inputs import as_image

TOP = 40.0  # white, in floats whose range says nothing


@pytest.fixture
def deep(tmp_path):
    """Photos of floats up to 40, and masks of 64-bit integers, as NumPy has them by itself."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    random = np.random.default_rng(0)
    for number in range(8):
        label = random.integers(0, 3, (12, 16))
        image = (label[..., None] + random.random((12, 16, 3))) / 3 * TOP
        tifffile.imwrite(tmp_path / "images" / f"{number}.tif", image.astype(np.float32), photometric="rgb")
        tifffile.imwrite(tmp_path / "masks" / f"{number}.tif", label)
    return tmp_path


def test_without_a_range_the_sentence_says_where_to_give_it(deep):
    with pytest.raises(UserError, match=r"holds float32 from .* give value_range, .* dataset.yaml: value_range: \[0,"):
        Folder("train", deep)
    assert not (deep / "dataset.yaml").exists()


def test_the_range_is_in_pixels_statistics_and_facts(deep):
    (deep / "dataset.yaml").write_text(f"value_range: [0, {TOP}]\n")
    assert folder_splits(deep).problems == []
    config = compose(["data=folder", f"data.root={deep}"])
    image, label = data_from_config(config).source("val").load(0, np.random.default_rng())
    assert np.array_equal(np.unique(label), [0, 1, 2])
    assert abs(float(image.mean()) / 255 - 0.5) < 0.1
    assert np.allclose(config.data.mean, 0.5, atol=0.1)
    facts = facts_from_config(config)
    assert facts.value_range == (0, TOP)
    seen = as_image(deep / "images" / "0.tif", 3, value_range=facts.value_range)
    stored = tifffile.imread(deep / "images" / "0.tif")
    assert np.array_equal(seen, np.rint(stored * (255 / TOP)))


def test_another_range_than_that_of_the_statistics_is_refused(deep):
    (deep / "dataset.yaml").write_text("value_range: [0, 40]\n")
    config = compose(["data=folder", f"data.root={deep}", "data.value_range=[0,10]"])
    with pytest.raises(UserError, match=r"data.value_range=\[0, 10\] is not that of .*dataset.yaml, by which mean"):
        data_from_config(config).source("train")


@pytest.mark.parametrize("value", ["5", "[0]", "[4, 1]", "[0, white]", "[true, false]"])
def test_what_is_no_range_is_a_sentence(deep, value):
    (deep / "dataset.yaml").write_text(f"value_range: {value}\n")
    with pytest.raises(UserError, match=r"value_range is .*, and has to be \[BLACK, WHITE\], the smaller value first"):
        Folder("train", deep)


def test_an_exported_file_carries_the_range_and_older_ones_have_none(tmp_path):
    facts = ExportFacts(
        *("segmentation", "logits", "32", ("a", "b"), ((0, 0, 0), (1, 1, 1)), 255, 1, 1.0, (0.5,), (0.2,), 1, 2, 9),
        *(4.0, {}, {}, "0.2.0", (0, TOP)),
    )
    entries = facts.to_metadata()
    assert ExportFacts.from_metadata(entries, tmp_path).data.value_range == (0, TOP)
    del entries["value_range"]
    assert ExportFacts.from_metadata(entries, tmp_path).data.value_range is None
