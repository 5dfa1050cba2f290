import json

import numpy as np
import pytest
import torch

from segnet.build import data_from_config, network_from_config
from segnet.data.samples import evaluation_stream
from segnet.description import augmentations, words
from segnet.description.describe import describe
from segnet.description.page import render_page
from segnet.losses.class_weights import median_frequency

FACTS = {"data": "a <set>", "command": "segnet-data describe", "recipe": "segnet-train", "network": "9 parameters"}


def no_bar(samples, number):
    return samples


@pytest.fixture(scope="module")
def data(tiny_config):
    return data_from_config(tiny_config("data.images={train:8,val:3,test:4}", "data.augmentation.crop=[16,16]"))


@pytest.fixture(scope="module")
def description(data, tiny_config):
    return describe(data, network_from_config(tiny_config()), 1.0, None, 2, 3, 2, no_bar)


def test_it_counts_what_a_training_counts(data, description):
    assert [split.total for split in description.splits.values()] == [8, 3, 4]
    counts = torch.stack([torch.as_tensor(pixels) for pixels in description.splits["train"].pixel_counts])
    labels = [data.source("train").load(n, evaluation_stream(data.source("train").ids[n]))[1] for n in range(8)]
    assert (
        counts.sum(0).tolist() == np.bincount(np.concatenate([label.ravel() for label in labels]), minlength=4).tolist()
    )
    assert description.weights["median_frequency"] == pytest.approx(median_frequency(counts).numpy())
    assert {row.stride for row in description.ceilings} == {2, 4, 8, 16, 32}


def test_the_page_holds_it_all(data, description):
    page = render_page(description, data, FACTS)
    assert "a &lt;set&gt;" in page
    assert "a <set>" not in page
    charts = json.loads(page.split('id="charts">')[1].split("</script>")[0])
    assert sorted(charts) == ["ceilings", "components", "frequencies"]  # all images have one size
    assert page.count("<figure><img") == 3
    for scheme in description.weights:
        assert f">{scheme}<" in page


def test_tables_have_a_row_for_each_split_class_and_upsampler(data, description):
    assert [row[0] for row in words.splits_table(description).rows] == ["train", "val", "test"]
    assert [row[0] for row in words.classes_table(description, data).rows] == data.classes
    names = [row[0] for row in words.ceilings_table(description).rows]
    assert names[:2] == ["nearest", "bilinear"]
    tables = (words.splits_table(description), words.classes_table(description, data))
    for table in (*tables, words.weights_table(description, data)):
        assert {len(row[1]) for row in table.rows} == {len(table.columns)}


def test_what_is_missing_or_rare_is_said(data, description, monkeypatch):
    split = description.splits["val"]
    monkeypatch.setitem(description.splits, "val", type(split)("val", 3, 3, []))
    monkeypatch.setattr(
        "segnet.description.words.absent", lambda split, *facts: ["disc"] if split.name == "val" else []
    )
    said = words.notices(description, data)
    assert "No pixel of disc in the 0 images read of the val split." in said


def test_shown_are_the_very_pixels_of_a_training(data):
    """The batch of an epoch, sample by sample, in whatever order they are in it."""
    images, labelled = augmentations._rows(data, 5, 2)
    assert [picture.shape for picture in images] == [(16, 24, 3), (16, 16, 3), (16, 16, 3)]
    for epoch in range(2):
        for batch in data.training_batches(epoch):
            for image, index in zip(batch["image"], batch["index"].tolist(), strict=True):
                if index == 5:
                    assert np.array_equal(image.permute(1, 2, 0).numpy(), images[1 + epoch])
    assert not np.array_equal(images[1], images[2])
    assert not np.array_equal(images[0], labelled[0])


def test_a_mean_far_from_the_setting_is_said_and_a_near_one_is_not(data, description, monkeypatch):
    mean = description.colours.mean
    monkeypatch.setattr(data.augmentation, "fill", [255 * value for value in mean])
    assert not [text for text in words.notices(description, data) if "mean" in text]
    monkeypatch.setattr(data.augmentation, "fill", [255 * (value + 0.1) for value in mean])
    (said,) = [text for text in words.notices(description, data) if "mean" in text]
    assert f"and data.mean says [{mean[0] + 0.1:.3f}, " in said


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.01234, "0.0123"), (45.67, "45.7"), (1234.5, "1,234")])
def test_numbers_keep_three_digits(value, text):
    assert words.number(value) == text


def test_a_small_share_does_not_read_zero():
    assert [words.percent(0.0), words.percent(0.0001), words.percent(0.5)] == ["0.0", "< 0.1", "50.0"]
