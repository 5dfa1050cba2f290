"""What the trained networks of an experiment are like: their fields, their checkerboards, and where they disagree."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segnet.ablation.results.experiment_folder import SCORES, ExperimentFolder
from segnet.analysis import checkerboard, image_gradient, receptive_fields
from segnet.analysis.ceiling import split_ceilings
from segnet.build import data_from_config, load
from segnet.config import load_config
from segnet.data import DataModule
from segnet.data.samples import as_float, evaluation_stream
from segnet.errors import UserError
from segnet.metrics.counts import class_counts, mean_iou
from segnet.metrics.image_scores import read_scores
from segnet.run_folder import checkpoint_file, write_whole
from segnet.tasks.segmentation.prediction import predict

NUMBERS, ARRAYS = "inspection.json", "inspection.npz"
CROPS, CROP_SIDE, CANDIDATES = 6, 160, 4
"""Crops that are shown, the longest side of one in pixels, and images that are predicted for each crop shown."""
PROBES, PROBE_SIDE, MAP_SIDE = 8, 192, 48
"""Images, and their longest side, that checkerboards are measured on; side of the map that is shown."""
CEILING_IMAGES = 40
"""Labels, spread evenly over the test split, that ceilings are measured on: 20 s at 480x360 on one core."""


@dataclass
class Crop:
    """The same part of an image for all arms.

    Attributes:
        name: of the image.
        place: top and left, pixels.
        disagreement: share of the crop's scored pixels on which not all arms agree.
        image: ``(h, w, C)`` uint8.
        label: ``(h, w)`` uint8.
        predictions: ``(h, w)`` uint8 by arm.
    """

    name: str
    place: tuple[int, int]
    disagreement: float
    image: np.ndarray
    label: np.ndarray
    predictions: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Inspection:
    """What was found.

    Attributes:
        numbers: ``seeds`` that are shown by arm; ``arms``: for each its ``receptive_field`` and ``checkerboard``;
            ``ceiling``: rows of :class:`segnet.analysis.ceiling.Ceiling`; ``classes``, ``colours``, ``ignore_index`` of
            the data; ``skipped``: why there is nothing, or None.
        maps: for each arm the mean absolute gradient of the image, the middle of it, ``(h, w)`` float.
        crops: where the arms disagree most.
    """

    numbers: dict[str, Any]
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    crops: list[Crop] = field(default_factory=list)


def inspect(folder: ExperimentFolder) -> Inspection:
    """Inspect one trained network of each arm, of the same seed where there is one that all have.

    What was found is kept in the experiment's folder until the runs change.
    """
    done = {
        arm: {seed: run for seed, run in seeds.items() if (run / checkpoint_file("best")).is_file()}
        for arm, seeds in folder.done(folder.kinds[0]).items()
    }
    done = {arm: seeds for arm, seeds in done.items() if seeds}
    if not done:
        return Inspection({"skipped": "no completed run has a checkpoint"})
    shown = _shown_runs(done)
    key = _key(shown)
    kept = _read(folder.root, key)
    if kept is not None:
        return kept
    try:
        found = _inspect(shown)
    except UserError as error:  # the data have moved, say; the report goes without
        return Inspection({"skipped": str(error)})
    found.numbers["key"] = key
    _write(folder.root, found)
    return found


def _shown_runs(done: Mapping[str, Mapping[int, Path]]) -> dict[str, tuple[int, Path]]:
    common = set.intersection(*(set(seeds) for seeds in done.values()))
    return {
        arm: (seed, seeds[seed])
        for arm, seeds in done.items()
        for seed in [min(common) if common else next(iter(seeds))]
    }


def _key(shown: Mapping[str, tuple[int, Path]]) -> str:
    states = [(run / checkpoint_file("best")).stat() for _, run in shown.values()]
    facts = [[arm, seed, run.name] for arm, (seed, run) in shown.items()]
    facts += [[state.st_size, state.st_mtime_ns] for state in states]
    settings = [CROPS, CROP_SIDE, CANDIDATES, PROBES, PROBE_SIDE, MAP_SIDE, CEILING_IMAGES]
    return hashlib.blake2b(json.dumps([facts, settings]).encode(), digest_size=8).hexdigest()


def _inspect(shown: Mapping[str, tuple[int, Path]]) -> Inspection:
    data = data_from_config(load_config(next(iter(shown.values()))[1]))
    networks = {arm: load(run) for arm, (_, run) in shown.items()}
    samples = data.eval_loader("test").dataset
    probes = _probes([samples[index]["image"] for index in range(min(PROBES, len(samples)))])
    numbers: dict[str, Any] = {
        "skipped": None,
        "seeds": {arm: seed for arm, (seed, _) in shown.items()},
        "probes": list(probes.shape),
        "classes": data.classes,
        "colours": [list(colour) for colour in data.colours],
        "ignore_index": data.ignore_index,
        "ceiling": [row._asdict() for row in split_ceilings(data, "test", CEILING_IMAGES)],
        "arms": {},
    }
    found = Inspection(numbers)
    for arm, network in networks.items():
        last = receptive_fields(network, data.channels)[-1]
        extent = {"height": last.height, "width": last.width, "whole_image": last.whole_image}
        numbers["arms"][arm] = {"receptive_field": extent, "checkerboard": checkerboard(network, probes)}
        gradient = image_gradient(network, probes)[1].abs().mean((0, 1))
        found.maps[arm] = _middle(gradient, (MAP_SIDE, MAP_SIDE)).numpy()
    found.crops = find_disagreements(networks, data, _uneven_images({arm: run for arm, (_, run) in shown.items()}))
    return found


def _probes(images: list[Tensor]) -> Tensor:
    alike = [image for image in images if image.shape == images[0].shape]
    return torch.stack([_middle(as_float(image), (PROBE_SIDE, PROBE_SIDE)) for image in alike])


def _middle(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut the middle out of ``(..., H, W)``, from an even row and column on, so that phases stay what they are."""
    for axis, side in zip((-2, -1), size, strict=True):
        side = min(side, maps.shape[axis])
        maps = maps.narrow(axis, (maps.shape[axis] - side) // 2 // 2 * 2, side)
    return maps


def _uneven_images(runs: Mapping[str, Path]) -> list[int]:
    """List the images from that on which the arms' mIoU are farthest apart."""
    scores = np.stack([mean_iou(class_counts(read_scores(run / SCORES).confusions)) for run in runs.values()])
    return np.argsort(-np.nan_to_num(np.ptp(scores, axis=0)), kind="stable").tolist()


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
        order: images from the most promising on; four times as many as crops are looked at.
        crops: how many are wanted, one an image.
        side: the longest side of one, pixels.

    Returns:
        The crops, from most to least disagreement.
    """
    samples, ids = data.eval_loader("test").dataset, data.split("test").ids
    found = []
    for index in order[: CANDIDATES * crops]:
        image, label = data.split("test").load(index, evaluation_stream(ids[index]))
        predictions = {
            arm: predict(network, samples[index]["image"][None], label.shape)[0].byte().cpu()
            for arm, network in networks.items()
        }
        found.append(_crop(ids[index], image, label, predictions, data.ignore_index, side))
    return sorted(found, key=lambda crop: -crop.disagreement)[:crops]


def _crop(
    name: str,
    image: np.ndarray,
    label: np.ndarray,
    predictions: Mapping[str, Tensor],
    ignore_index: int,
    side: int,
) -> Crop:
    stacked = torch.stack(list(predictions.values()))
    scored = torch.from_numpy(label != ignore_index)
    differ = ((stacked != stacked[0]).any(0) & scored).double()
    size = tuple(min(side, length) for length in label.shape)
    windows = F.avg_pool2d(differ[None], size, stride=4)[0]
    top, left = (4 * int(place) for place in divmod(int(windows.argmax()), windows.shape[1]))
    cut: Callable[[np.ndarray], np.ndarray] = lambda pixels: pixels[top : top + size[0], left : left + size[1]]  # noqa: E731
    share = float(cut(differ.numpy()).sum() / max(1, cut(scored.numpy()).sum()))
    maps = {arm: cut(prediction.numpy()) for arm, prediction in predictions.items()}
    return Crop(name, (top, left), share, cut(image), cut(label), maps)


def _write(root: Path, found: Inspection) -> None:
    arms = list(found.maps)
    arrays = {f"map{place}": found.maps[arm] for place, arm in enumerate(arms)}
    crops = []
    for number, crop in enumerate(found.crops):
        crops.append({"name": crop.name, "place": crop.place, "disagreement": crop.disagreement})
        arrays |= {f"image{number}": crop.image, f"label{number}": crop.label}
        arrays |= {f"prediction{number}_{place}": crop.predictions[arm] for place, arm in enumerate(arms)}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_whole(root / ARRAYS, content.getvalue())
    write_whole(root / NUMBERS, json.dumps(found.numbers | {"names": arms, "crops": crops}, indent=2) + "\n")


def _read(root: Path, key: str) -> Inspection | None:
    """Read what was kept; None where it is of other runs, or not whole."""
    try:
        numbers = json.loads((root / NUMBERS).read_text())
        if numbers["key"] != key:
            return None
        arms = numbers.pop("names")
        with np.load(root / ARRAYS, allow_pickle=False) as arrays:
            maps = {arm: arrays[f"map{place}"] for place, arm in enumerate(arms)}
            crops = [
                Crop(
                    crop["name"],
                    tuple(crop["place"]),
                    crop["disagreement"],
                    arrays[f"image{number}"],
                    arrays[f"label{number}"],
                    {arm: arrays[f"prediction{number}_{place}"] for place, arm in enumerate(arms)},
                )
                for number, crop in enumerate(numbers.pop("crops"))
            ]
    except (OSError, ValueError, KeyError):
        return None
    return Inspection(numbers, maps, crops)
