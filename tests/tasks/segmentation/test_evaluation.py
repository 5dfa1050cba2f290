import csv
import io
import json

import numpy as np
import pytest
import torch

from segnet.build import data_from_config, network_from_config, task_from_config
from segnet.data.facts import DataFacts
from segnet.errors import UserError
from segnet.metrics import calibration_error
from segnet.metrics.counts import mean_iou
from segnet.resampling import bootstrap_values, choose_blocks, groups_of, influences
from segnet.tasks.segmentation.evaluation.collection import collect, look_at, worst_images
from segnet.tasks.segmentation.evaluation.estimates import estimate_scores
from segnet.training.task import EvaluationRequest, without_bar

FACTS = {"run": "a <run>", "data": "shapes", "split": "test", "checkpoint": "best", "averaged": "", "command": "c"}


@pytest.fixture(scope="module")
def parts(tiny_config):
    config = tiny_config("data.images={train:4,val:2,test:7}", "data.ignore_index=3")
    network = network_from_config(config).eval()
    with torch.no_grad():
        network.head.weight.mul_(40)  # an untrained network is sure of nothing
    return task_from_config(config), data_from_config(config), network


@pytest.fixture(scope="module")
def collected(parts):
    _, data, network = parts
    return collect(network, data, "test", without_bar)


@pytest.fixture(scope="module")
def result(parts):
    task, data, network = parts
    return task.evaluate(network, data, "test", EvaluationRequest(FACTS, worst=2, resamples=200))


def test_scores_of_a_training_are_the_same_to_the_digit(parts, result):
    task, data, network = parts
    trained = task.score(network, data, "test")
    found = {key: result.scores[key] for key in trained.scores}
    np.testing.assert_equal(found, dict(trained.scores))
    assert result.details["confusion"] == trained.details["confusion"]


def test_calibration_is_that_of_all_probabilities_at_once(parts, collected):
    _, data, network = parts
    sure, right = [], []
    with torch.inference_mode():
        for batch in data.eval_loader("test"):
            probabilities = network(batch["image"].float() / 255).softmax(1)
            largest, classes = probabilities.max(1)
            scored = batch["label"] != data.ignore_index
            sure.append(largest[scored].double().numpy())
            right.append((classes == batch["label"])[scored].numpy())
    sure, right = np.concatenate(sure), np.concatenate(right)
    bins = np.minimum((sure * 15).astype(int), 14)
    expected = sum(abs(sure[bins == b].sum() - right[bins == b].sum()) for b in range(15)) / len(sure)
    assert len(set(bins)) > 3
    assert calibration_error(collected.calibration.sum(0)) == pytest.approx(expected, abs=1e-4)


def test_intervals_are_those_of_the_block_bootstrap(collected):
    counts = collected.images.class_counts()
    blocks = choose_blocks(groups_of(collected.images.groups), [influences(counts, mean_iou)])
    values = bootstrap_values(counts[None], mean_iou, 300, 0, blocks)[:, 0]
    found = estimate_scores(collected, 300).scores["miou"].interval
    assert found == pytest.approx(np.quantile(values, [0.025, 0.975]))
    assert found.low < mean_iou(counts.sum(0)) < found.high


def test_without_resamples_there_are_no_intervals(collected):
    assert np.isnan([estimate.interval for estimate in estimate_scores(collected, 0).scores.values()]).all()


def test_the_worst_images_come_first_and_are_predicted_again(parts, collected):
    _, data, network = parts
    places = worst_images(collected, 3)
    mious = collected.image_mious()
    assert [mious[place] for place in places] == sorted(mious)[:3]
    (look,) = look_at(network, data, "test", places[:1])
    confusion = np.zeros((4, 4), dtype=int)
    scored = look.label != data.ignore_index
    np.add.at(confusion, (look.label[scored], look.prediction[scored]), 1)
    assert np.array_equal(confusion, collected.images.confusions[places[0]])


def test_there_is_a_row_for_each_image(result, collected):
    rows = list(csv.DictReader(io.StringIO(result.files["evaluation.csv"])))
    assert [row["image"] for row in rows] == list(collected.images.names)
    pixels = collected.images.confusions.sum((1, 2))
    assert [int(row["scored_pixels"]) for row in rows] == pixels.tolist()
    hits = np.trace(collected.images.confusions, axis1=1, axis2=2)
    assert [float(row["pixel_accuracy"]) for row in rows] == pytest.approx(hits / pixels, abs=1e-6)
    assert all(row["iou/polygon"] == "" for row in rows)  # the ignore index is no class of the scores


def test_the_page_is_one_file_that_says_it_all(result):
    page = result.files["evaluation.html"]
    assert "a &lt;run&gt;" in page
    assert "a <run>" not in page
    assert page.count('data-show="prediction"') == 2
    assert 'src="http' not in page
    charts = json.loads(page.split('id="charts">')[1].split("</script>")[0])
    assert sorted(charts) == ["confusion", "images", "reliability", "trimap"]
    shares = charts["confusion"]["views"][0]["data"][0]["z"]
    assert sum(shares[0]) == pytest.approx(100, abs=0.1)


def test_a_split_without_a_scored_pixel_has_no_scores_and_still_a_page(parts, monkeypatch):
    task, data, network = parts
    monkeypatch.setattr(data, "ignore_index", 0)
    samples = data.split("test")
    monkeypatch.setattr(
        samples, "load", lambda index, random: (np.zeros((16, 24, 3), np.uint8), np.zeros((16, 24), np.uint8))
    )
    result = task.evaluate(network, data, "test", EvaluationRequest(FACTS, resamples=20))
    assert np.isnan(result.scores["test/miou"])
    assert "Nothing is scored: no pixel of the test split of shapes is labelled." in result.files["evaluation.html"]


def test_another_set_needs_the_same_classes_and_channels(parts):
    task, data, _ = parts
    facts = DataFacts.of_module(data)
    task.check_facts(facts, data)
    other = DataFacts(("cat", "dog"), facts.colours[:2], 255, 3, 1.0)
    with pytest.raises(UserError, match=r"tells apart cat, dog, and data= has background, pole, disc, polygon: give a"):
        task.check_facts(other, data)
    grey = DataFacts(facts.classes, facts.colours, 255, 1, 1.0)
    with pytest.raises(UserError, match=r"takes images of 1 channel, and data= has 3: set data.channels=1"):
        task.check_facts(grey, data)
