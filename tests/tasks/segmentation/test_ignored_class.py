"""A class that is the ignore index: no score counts it, and all agree."""

import dataclasses

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_jaccard_index

from segnet.build import build_network, data_from_config, task_from_config
from segnet.config import compose
from segnet.metrics import ImageScores, mean_iou, read_scores
from segnet.metrics.measures import MIOU
from segnet.tasks.segmentation.prediction import predict_batches

OVERRIDES = ["data=shapes", "data.size=[24,32]", "data.images={train:4,val:3,test:5}", "data.ignore_index=0"]
OVERRIDES += ["data.num_workers=0", "encoder.widths=[4,8]", "encoder.depths=[1,1]"]


@pytest.fixture(scope="module")
def scored():
    config = compose(OVERRIDES)
    network, data = build_network(OVERRIDES), data_from_config(config)
    with torch.no_grad():
        network.head.bias[0] += 0.05  # so that the ignored class is predicted too
    batches = [(p.cpu(), y.cpu()) for p, y in predict_batches(network, data.eval_loader("test"))]
    return task_from_config(config).score(network, data, "test", with_baseline=True), batches


def test_all_scores_leave_it_out(scored):
    result, batches = scored
    predictions, labels = (torch.cat(parts).long() for parts in zip(*batches, strict=True))
    assert (predictions[labels != 0] == 0).any()
    expected = multiclass_jaccard_index(predictions, labels, 4, average="macro", ignore_index=0)
    assert result.scores["test/miou"] == pytest.approx(expected.item(), abs=1e-6)
    assert np.isnan(result.scores["test/iou/background"])
    assert np.isnan(result.scores["lookup/test/iou/background"])
    images = result.image_counts
    assert mean_iou(MIOU.counts(images).sum(0)) == result.scores["test/miou"]  # what a comparison resamples
    assert not images.boundary_iou[:, :, 0].any()
    assert not images.small_objects[:, :, 0].any()
    assert images.trimap_curve()["miou"][-1] == pytest.approx(
        mean_iou(dataclasses.replace(images, confusions=images.trimap[:, -1]).class_counts().sum(0))
    )


def test_the_file_of_scores_keeps_it(scored, tmp_path):
    images = scored[0].image_counts
    images.write(tmp_path / "scores.npz")
    assert read_scores(tmp_path / "scores.npz").ignore_index == 0
    assert np.array_equal(read_scores(tmp_path / "scores.npz").class_counts(), images.class_counts())
    with np.load(tmp_path / "scores.npz") as content:  # of a version that did not write it
        np.savez(tmp_path / "older.npz", **{name: content[name] for name in content if name != "ignore_index"})
    older = read_scores(tmp_path / "older.npz")
    assert older.ignore_index == -1
    assert isinstance(older, ImageScores)
