"""Scoring a run on a split of its data set, or of another one."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from segnet.build import data_from_config, facts_from_config, load_network, set_data_root, task_from_config
from segnet.config import Config, load_config
from segnet.data import DataModule
from segnet.devices import choose_device
from segnet.errors import UserError
from segnet.inference.averaging import Averaged
from segnet.pretrained import locate
from segnet.training.task import EvaluationRequest, SplitResult, Task


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
    task, data, network = _ready(run_dir, split, checkpoint, device, data_root)
    return task.score(network, data, split, checkpoint)


def evaluate_run(
    run_dir: str | Path,
    split: str,
    request: EvaluationRequest,
    checkpoint: str = "best",
    device: str = "auto",
    data_root: str | None = None,
    other_data: Config | None = None,
    flips: str = "none",
    scales: Sequence[float] = (1.0,),
) -> SplitResult:
    """Evaluate a trained network on a split: the scores of :func:`score_run` and all that the task says beside them.

    Args:
        run_dir: see :func:`score_run`, as are ``split``, ``checkpoint``, ``device`` and ``data_root``.
        split: of the run's data set, or of ``other_data``.
        request: how it is evaluated.
        checkpoint: "best" or "last".
        device: where.
        data_root: folder of the run's data set.
        other_data: a config whose ``data`` is another set with the same classes; without a ``data.scale`` of its own
            (None), images are resized as in training.
        flips: average over mirror images, see :class:`segnet.inference.averaging.Averaged`.
        scales: average over sizes.

    Raises:
        UserError: as for :func:`score_run`; or the other set has other classes or channels.
    """
    task, data, network = _ready(run_dir, split, checkpoint, device, data_root, other_data)
    return task.evaluate(Averaged(network, flips, scales), data, split, request)


def _ready(
    run_dir: str | Path,
    split: str,
    checkpoint: str,
    device: str,
    data_root: str | None,
    other_data: Config | None = None,
) -> tuple[Task, DataModule, nn.Module]:
    """Build the task and the data, look for mistakes in them, and load the network."""
    run_dir = locate(run_dir)
    config = load_config(run_dir)
    if data_root is not None and other_data is not None:
        raise UserError("data_root= is of the run's own data set: with data=NAME say data.root=FOLDER")
    set_data_root(config, data_root)
    task = task_from_config(config)
    if other_data is None:
        data = data_from_config(config)
    else:
        facts = facts_from_config(config)
        if other_data.data.scale is None:
            other_data.data.scale = facts.scale
        data = data_from_config(other_data)
        task.check_facts(facts, data)
    task.check_split(data, split)
    return task, data, load_network(run_dir, checkpoint).to(choose_device(device))
