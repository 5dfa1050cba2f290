import math

import numpy as np
import torch

import segnet
from segnet.build import data_from_config
from segnet.config import load_config
from segnet.metrics import boundary_f1_counts, confusion_matrix, read_scores, scores
from segnet.tasks.segmentation.prediction import predict
from segnet.tasks.segmentation.scoring import flat_scores, score_confusion


def test_evaluating_again_gives_the_same_score_to_the_last_digit(run):
    run_dir, metrics = run
    data = data_from_config(load_config(run_dir))
    for split in ("val", "test"):
        again = flat_scores(scores(score_confusion(segnet.load(run_dir).network, data, split)), data.classes)
        for name, value in again.items():
            assert value == metrics[f"{split}/{name}"] or (math.isnan(value) and math.isnan(metrics[f"{split}/{name}"]))


def test_the_scores_of_each_image_are_stored_and_add_up(run):
    run_dir, metrics = run
    data = data_from_config(load_config(run_dir))
    network = segnet.load(run_dir).network
    for split in ("val", "test"):
        stored = read_scores(run_dir / "scores" / f"{split}.npz")
        assert stored.names.tolist() == list(data.split(split).ids)
        assert stored.groups.tolist() == stored.names.tolist(), "drawn scenes stand alone"
        assert stored.classes.tolist() == data.classes
        total = torch.from_numpy(stored.confusions.sum(0))
        assert torch.equal(total, score_confusion(network, data, split))
        assert scores(total).miou == metrics[f"{split}/miou"]
        for name, value in stored.boundary_scores().items():
            assert value == metrics[f"{split}/{name}"]
            assert 0 <= value < 1
        assert metrics[f"{split}/boundary_f1"] > 0
        assert np.array_equal(stored.trimap[:, -1].sum(0), stored.trimap.max(1).sum(0))
        assert stored.trimap_curve()["miou"].shape == stored.trimap_widths.shape
        batch = next(iter(data.eval_loader(split)))
        predictions = predict(network, batch["image"], (16, 24))
        for index in range(3):
            alone = predictions[index], batch["label"][index], 4, data.ignore_index
            assert np.array_equal(stored.confusions[index], confusion_matrix(*alone).numpy())
            rims = boundary_f1_counts(alone[0][None], alone[1][None], *alone[2:])
            assert np.array_equal(stored.boundary_f1[index], rims[0].numpy())
