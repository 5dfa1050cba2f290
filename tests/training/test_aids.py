"""Short and observed trainings: debug=fast, debug=profile, callbacks=early_stopping."""

import csv

from segnet.config import compose
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
