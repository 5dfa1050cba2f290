"""Inspecting the trained networks of an experiment: their fields, their checkerboards, and where they disagree."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.ablation.results.experiment_folder import ExperimentFolder, compared_scores
from segnet.ablation.results.inspection import (
    CeilingRow,
    Crop,
    Inspection,
    InspectionNumbers,
    Pixels,
    read_inspection,
    write_inspection,
)
from segnet.analysis import checkerboard, image_gradient, receptive_fields
from segnet.analysis.ceiling import split_ceilings
from segnet.build import data_from_config, load_network
from segnet.config import load_config
from segnet.data import DataModule
from segnet.data.samples import as_float, evaluation_stream
from segnet.errors import UserError
from segnet.metrics.counts import mean_iou
from segnet.metrics.image_scores import read_scores
from segnet.run_folder import checkpoint_file
from segnet.tasks.segmentation.prediction import predict

CROPS, CROP_SIDE, CANDIDATES = 6, 160, 4
"""Crops that are shown, the longest side of each in pixels, and images that are predicted for each crop shown."""
PROBES, PROBE_SIDE, MAP_SIDE = 8, 192, 48
"""Images, and their longest side, that checkerboards are measured on; side of the map that is shown."""
CEILING_IMAGES = 40
"""Labels, spread evenly over the test split, that ceilings are measured on: 20 s at 480x360 on one core."""


def inspect(folder: ExperimentFolder) -> Inspection:
    """Inspect one trained network of each arm, of the same seed where there is one that all have.

    The inspection is kept in the experiment's folder until the runs change. Runs of a bundle have no networks: an
    inspection from there stays while fewer arms than it covers have networks here.
    """
    with_checkpoint = {
        arm: {seed: run for seed, run in seeds.items() if (run / checkpoint_file("best")).is_file()}
        for arm, seeds in folder.completed(folder.kinds[0]).items()
    }
    chosen = _choose_runs({arm: seeds for arm, seeds in with_checkpoint.items() if seeds})
    key = _key(chosen)
    inspection = read_inspection(folder.root)
    if inspection is not None and chosen.keys() < inspection.numbers.get("seeds", {}).keys():
        return inspection
    if inspection is None or inspection.numbers.get("key") != key:
        inspection = _inspect_runs(chosen)
        if inspection.numbers["skipped"] is None:
            inspection.numbers["key"] = key
        write_inspection(folder.root, inspection)
    return inspection


def _choose_runs(runs: Mapping[str, Mapping[int, Path]]) -> dict[str, tuple[int, Path]]:
    common = set.intersection(*(set(seeds) for seeds in runs.values())) if runs else set()
    return {
        arm: (seed, seeds[seed])
        for arm, seeds in runs.items()
        for seed in [min(common) if common else next(iter(seeds))]
    }


def _key(chosen: Mapping[str, tuple[int, Path]]) -> str:
    states = [(run / checkpoint_file("best")).stat() for _, run in chosen.values()]
    facts: list[list[str | int]] = [[arm, seed, run.name] for arm, (seed, run) in chosen.items()]
    facts += [[state.st_size, state.st_mtime_ns] for state in states]
    settings = [CROPS, CROP_SIDE, CANDIDATES, PROBES, PROBE_SIDE, MAP_SIDE, CEILING_IMAGES]
    return hashlib.blake2b(json.dumps([facts, settings]).encode(), digest_size=8).hexdigest()


def _inspect_runs(chosen: Mapping[str, tuple[int, Path]]) -> Inspection:
    if not chosen:
        return Inspection({"skipped": "no completed run has a checkpoint"})
    try:
        data = data_from_config(load_config(next(iter(chosen.values()))[1]))
        networks = {arm: load_network(run) for arm, (_, run) in chosen.items()}
        samples = data.eval_loader("test").dataset
        probes = _probes([samples[index]["image"] for index in range(min(PROBES, len(data.split("test").ids)))])
        numbers: InspectionNumbers = {
            "skipped": None,
            "seeds": {arm: seed for arm, (seed, _) in chosen.items()},
            "probes": list(probes.shape),
            "classes": data.classes,
            "colours": [list(colour) for colour in data.colours],
            "ignore_index": data.ignore_index,
            "ceiling": [cast(CeilingRow, row._asdict()) for row in split_ceilings(data, "test", CEILING_IMAGES)],
            "arms": {},
        }
        inspection = Inspection(numbers)
        for arm, network in networks.items():
            last = receptive_fields(network, data.channels)[-1]
            numbers["arms"][arm] = {
                "receptive_field": {"height": last.height, "width": last.width, "whole_image": last.whole_image},
                "checkerboard": checkerboard(network, probes),
            }
            gradient = image_gradient(network, probes)[1].abs().mean((0, 1))
            inspection.maps[arm] = _middle(gradient, (MAP_SIDE, MAP_SIDE)).numpy()
        order = _order_by_difference([run for _, run in chosen.values()])
        inspection.crops = find_disagreements(networks, data, order)
    except UserError as error:  # such as data that are no longer there; the report does without
        return Inspection({"skipped": str(error)})
    return inspection


def _probes(images: list[Tensor]) -> Tensor:
    alike = [image for image in images if image.shape == images[0].shape]
    return torch.stack([_middle(as_float(image), (PROBE_SIDE, PROBE_SIDE)) for image in alike])


def _middle(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut the middle out of ``(..., H, W)``, from an even row and column on, so that phases are kept."""
    for axis, side in zip((-2, -1), size, strict=True):
        side = min(side, maps.shape[axis])
        maps = maps.narrow(axis, (maps.shape[axis] - side) // 2 // 2 * 2, side)
    return maps


def _order_by_difference(runs: list[Path]) -> list[int]:
    """Order the images by how far apart the runs' mIoU are on them, the largest difference first."""
    scores = np.stack([mean_iou(read_scores(compared_scores(run)).class_counts()) for run in runs])
    order: list[int] = np.argsort(-np.nan_to_num(np.ptp(scores, axis=0)), kind="stable").tolist()
    return order


def find_disagreements(
    networks: Mapping[str, nn.Module],
    data: DataModule,
    order: list[int],
    crops: int = CROPS,
    side: int = CROP_SIDE,
) -> list[Crop]:
    """Find the crops of the test split on which most pixels are not predicted alike by all arms.

    Args:
        networks: by arm, in evaluation mode.
        data: their data.
        order: images, the most promising first; the first four times as many as crops are predicted.
        crops: how many are returned, at most one for each image.
        side: the longest side of a crop, pixels.

    Returns:
        The crops, from most to least disagreement.
    """
    samples, ids = data.eval_loader("test").dataset, data.split("test").ids
    candidates = []
    for index in order[: CANDIDATES * crops]:
        image, label = data.split("test").load(index, evaluation_stream(ids[index]))
        predictions = {
            arm: predict(network, samples[index]["image"][None], label.shape)[0].byte().cpu()
            for arm, network in networks.items()
        }
        candidates.append(_crop(ids[index], image, label, predictions, data.ignore_index, side))
    return sorted(candidates, key=lambda crop: -crop.disagreement)[:crops]


def _crop(
    name: str,
    image: Pixels,
    label: Pixels,
    predictions: Mapping[str, Tensor],
    ignore_index: int,
    side: int,
) -> Crop:
    stacked = torch.stack(list(predictions.values()))
    scored = torch.from_numpy(label != ignore_index)
    differ = ((stacked != stacked[0]).any(0) & scored).double()
    height, width = (min(side, length) for length in label.shape)
    windows = F.avg_pool2d(differ[None], (height, width), stride=4)[0]
    top, left = (4 * position for position in divmod(int(windows.argmax()), windows.shape[1]))
    cut = np.s_[top : top + height, left : left + width]
    share = float(differ.numpy()[cut].sum() / max(1, scored.numpy()[cut].sum()))
    cut_predictions = {arm: prediction.numpy()[cut] for arm, prediction in predictions.items()}
    return Crop(name, (top, left), share, image[cut], label[cut], cut_predictions)
