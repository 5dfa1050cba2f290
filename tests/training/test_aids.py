"""Short and observed trainings: debug=fast, debug=overfit, debug=profile, callbacks=early_stopping."""

import csv

import numpy as np
import pytest

from segnet.build import data_from_config
from segnet.config import compose
from segnet.errors import UserError
from segnet.run_folder import read_metrics
from segnet.training.run import train

SHAPES = ("data=shapes", "data.size=[16,24]", "data.images={train:40,val:8,test:4}", "data.num_workers=0")
NETWORK = ("encoder.widths=[4,8]", "encoder.depths=[1,1]", "trainer.accelerator=cpu")


def history(folder):
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def test_a_fast_run_goes_the_whole_way_in_three_batches(tmp_path):
    train(compose([*SHAPES, *NETWORK, "debug=fast"]), tmp_path)
    rows = history(tmp_path)
    assert [(row["epoch"], row["step"]) for row in rows] == [("0", "3")]
    assert read_metrics(tmp_path)["status"] == "completed"
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.slow
def test_a_network_learns_its_first_images_by_heart(tmp_path, caplog):
    larger = ("data.size=[32,48]", "encoder.widths=[16,32]")
    train(compose([*SHAPES, *NETWORK, *larger, "debug=overfit"]), tmp_path)
    scores = read_metrics(tmp_path)
    assert scores["val/miou"] > 0.9
    assert scores["val/miou"] == scores["test/miou"]
    assert "data.overfit_images: every score is of the 8 training images" in caplog.text


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_few_training_images_are_every_split(split, write_camvid, tmp_path):
    chosen = ("data=camvid", f"data.root={write_camvid(tmp_path, images=9)}")
    whole = data_from_config(compose(list(chosen)))
    few = data_from_config(compose([*chosen, "data.overfit_images=3", "data.batch_size=1"])).split(split)
    assert list(few.ids) == list(whole.split("train").ids[:3])
    for index in range(3):
        for found, known in zip(few.load(index, None), whole.split("train").load(index, None), strict=True):
            assert (found == known).all()


def test_drawn_images_stay_the_same_where_they_are_learned_by_heart():
    few = data_from_config(compose([*SHAPES, "data.overfit_images=2"])).split("train")
    one, two = (few.load(0, np.random.default_rng(seed))[0] for seed in (0, 1))
    assert (one == two).all()


def test_no_image_cannot_be_learned_by_heart():
    with pytest.raises(UserError, match=r"^data\.overfit_images=0 is not allowed: give an integer from 1 up, or null"):
        data_from_config(compose([*SHAPES, "data.overfit_images=0"]))


def test_a_profile_lies_in_the_run_folder(tmp_path):
    train(compose([*SHAPES, *NETWORK, "debug=profile", "logger=none", "epochs=1"]), tmp_path)
    table = (tmp_path / "fit-profile.txt").read_text()
    assert "run_training_batch" in table
    assert "backward" in table


def test_a_training_that_gets_no_better_ends_early(tmp_path):
    """At such a learning rate the score stays where it was, or nearly so."""
    chosen = (
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=2",
        "callbacks.early_stopping.min_delta=0.2",
    )
    config = compose([*SHAPES, *NETWORK, *chosen, "logger=none", "epochs=9", "optimizer.lr=1e-12"])
    train(config, tmp_path)
    assert len(history(tmp_path)) == 3
    assert read_metrics(tmp_path)["status"] == "completed"
