"""Scoring a run on a split of its data set."""

from pathlib import Path

from segnet.build import data_from_config, load_network, task_from_config
from segnet.config import load_config
from segnet.devices import choose_device
from segnet.errors import UserError
from segnet.pretrained import locate
from segnet.training.task import SplitResult


def score_run(
    run_dir: str | Path, split: str, checkpoint: str = "best", device: str = "auto", data_root: str | None = None
) -> SplitResult:
    """Score a trained network on a split, without augmentation and in float32.

    Args:
        run_dir: what ``segnet-train`` wrote, or another name that :func:`segnet.load` takes.
        split: "train", "val" or "test".
        checkpoint: "best" or "last".
        device: see :func:`segnet.devices.choose_device`.
        data_root: folder of the data set; None: as the run's config says.

    Raises:
        UserError: the run, the checkpoint, the device or the split is not there, or something is wrong with the data.
    """
    run_dir = locate(run_dir)
    config = load_config(run_dir)
    if data_root is not None:
        if "root" not in config.data.dataset:
            raise UserError(f"data_root={data_root} is of no use: data={config.data.name} has no folder; leave it out")
        config.data.dataset.root = data_root
    task, data = task_from_config(config), data_from_config(config)
    task.check_split(data, split)
    network = load_network(run_dir, checkpoint).to(choose_device(device))
    return task.score(network, data, split, checkpoint)
