"""Experiment folders as ``segnet-ablate`` leaves them, without any training: for tests of what reads them."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segnet.config import to_run_yaml, values_to_yaml
from segnet.metrics import ImageScores
from segnet.run_folder import write_json

CLASSES = ("background", "pole", "disc", "polygon")
WIDTHS = (1, 2, 4, 8)


@dataclass
class Synthetic:
    """What an experiment found: the share of pixels that each arm gets right, with noise of seeds and images.

    Attributes:
        arms: for each arm its levels.
        quality: for each arm the share of pixels that are right.
        seeds: of all arms.
        status: other than "completed", by (arm, seed).
        kinds: comparisons.
        classes: of the data.
        images: in the test split.
        fusion: give the arms linear fusions.
        primary: the measure that carries the verdicts.
    """

    arms: Mapping[str, Mapping[str, str]]
    quality: Mapping[str, float]
    seeds: Sequence[int] = (0, 1, 2)
    status: Mapping[tuple[str, int], str] = field(default_factory=dict)
    kinds: Sequence[str] = ("as_is",)
    classes: Sequence[str] = CLASSES
    images: int = 12
    fusion: bool = False
    name: str = "synthetic"
    primary: str = "miou"


def one_factor(**quality: float) -> Synthetic:
    """An experiment on the upsampler."""
    return Synthetic({arm: {"upsampler": arm} for arm in quality}, quality)


def write_experiment(root: Path, made: Synthetic) -> Path:
    """Write the folder and return it."""
    runs = [_write_run(root, made, kind, arm, seed) for kind in made.kinds for seed in made.seeds for arm in made.arms]
    baseline = next(iter(made.arms))
    complete = all(run["status"] == "completed" for run in runs)
    record = {
        "name": made.name,
        "status": "completed" if complete else "incomplete",
        "baseline": baseline,
        "primary": made.primary,
        "seeds": list(made.seeds),
        "match": "params" if "matched" in made.kinds else None,
        "monitor": "val/miou",
        "tuning": "the recipe was not tuned for this experiment",
        "started": "2026-01-31 12:00:00",
        "wall_seconds": 123.4,
        "run_seconds": 120.0,
        "train_seconds": 100.0,
        "engine": "basic",
        "workers": 1,
        "command": ["segnet-ablate", "ablation=quick", "seeds=3"],
        "versions": {"torch": "2.15.0", "segnet": "0.1.0", "python": "3.11.7"},
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "runs": runs,
    }
    write_json(root / "experiment.json", record)
    axis = list(next(iter(made.arms.values())))
    plan = {
        "name": made.name,
        "factors": {factor: list(dict.fromkeys(levels[factor] for levels in made.arms.values())) for factor in axis},
        "baseline": baseline,
        "seeds": list(made.seeds),
        "epochs": 5,
        "fixed": ["data=shapes"],
        "arms": {
            arm: {"levels": dict(levels), "overrides": [f"{f}={level}" for f, level in levels.items()]}
            for arm, levels in made.arms.items()
        },
        "axis": axis,
        "baseline_config": {"seed": 0, "data": {"name": "shapes", "size": [64, 64]}, "optimizer": {"lr": 0.01}},
    }
    (root / "plan.yaml").write_text(values_to_yaml(plan))
    write_json(root / "fairness.json", _fairness(made, axis))
    write_json(root / "costs.json", {kind: _costs(made) for kind in made.kinds})
    return root


def _write_run(root: Path, made: Synthetic, kind: str, arm: str, seed: int) -> dict:
    number = list(made.arms).index(arm)
    folder = f"runs/{re.sub('[^A-Za-z0-9_+]', '_', arm)}/{seed}-{kind}"
    status = made.status.get((arm, seed), "completed")
    random = np.random.default_rng([seed, number, made.kinds.index(kind)])
    if status == "completed":
        right = made.quality[arm] + random.normal(scale=0.005)
        scores = make_scores(right, made.images, made.classes, random)
        scores.write(root / folder / "scores" / "test.npz")
        write_json(root / folder / "metrics.json", _metrics(scores, seed))
    elif status == "failed":
        write_json(
            root / folder / "metrics.json", {"status": "failed", "seed": seed, "error": "the loss is not finite"}
        )
    if status in ("completed", "failed"):
        _write_history(root / folder / "history.csv", made, random)
    return {
        "arm": arm,
        "levels": dict(made.arms[arm]),
        "kind": kind,
        "seed": seed,
        "key": kind,
        "folder": folder,
        "status": status,
        "error": "the loss is not finite" if status == "failed" else None,
        "seconds": 8.25,
    }


def make_scores(right: float, images: int, classes: Sequence[str], random: np.random.Generator) -> ImageScores:
    """Draw counts of which about the share ``right`` is right; the images are the same for every arm."""
    shared = np.random.default_rng(0)
    number = len(classes)
    pixels = shared.integers(200, 900, (images, number))
    hard = shared.normal(scale=0.03, size=(images, 1)) - 0.02 * np.arange(number)

    def confusions(share: np.ndarray, counts: np.ndarray) -> np.ndarray:
        found = np.zeros((*counts.shape, number), np.int64)
        for place in np.ndindex(counts.shape):
            errors = np.full(number, (1 - share[place]) / (number - 1))
            errors[place[1]] = share[place]
            found[place] = random.multinomial(counts[place], errors)
        return found

    share = np.clip(right + hard, 0.05, 0.99)
    whole = confusions(share, pixels)
    bands = [confusions(np.clip(share * (0.6 + 0.1 * band), 0.05, 0.99), pixels // (8 - 2 * band)) for band in range(4)]
    hits = np.diagonal(whole, axis1=1, axis2=2) // 10
    labelled, predicted = whole.sum(2) // 10, whole.sum(1) // 10
    return ImageScores(
        names=np.array([f"test{image:05d}" for image in range(images)]),
        groups=np.array([f"film{2 * image // images}" for image in range(images)]),
        classes=np.array(classes),
        confusions=whole,
        boundary_f1=np.stack([hits, predicted, hits, labelled], axis=1),
        boundary_iou=np.stack([hits, labelled, predicted], axis=1),
        trimap=np.stack(bands, axis=1).cumsum(1),
        trimap_widths=np.array(WIDTHS),
        small_objects=np.stack([hits // 4, labelled // 4, predicted // 4], axis=1),
    )


def _metrics(scores: ImageScores, seed: int) -> dict:
    """What a run writes of itself, computed the plain way."""
    matrix = scores.confusions.sum(0).astype(float)
    iou = np.diagonal(matrix) / (matrix.sum(0) + matrix.sum(1) - np.diagonal(matrix))
    return {
        "status": "completed",
        "seed": seed,
        "params": 1000,
        "epochs": 5,
        "train_seconds": 7.5,
        "device": "cpu",
        "precision": "32-true",
        "test/miou": float(np.nanmean(iou)),
        **{f"test/iou/{name}": float(value) for name, value in zip(scores.classes, iou, strict=True)},
        **{f"test/{key}": value for key, value in scores.boundary_scores().items()},
    }


def _write_history(path: Path, made: Synthetic, random: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        columns = ["epoch", "step", "lr", "train/loss", "val/loss", "val/miou", "seconds"]
        weights = ["fusion/encoder.stages.0/regular", "fusion/encoder.stages.0/atrous"] if made.fusion else []
        writer = csv.DictWriter(file, [*columns, *weights])
        writer.writeheader()
        for epoch in range(5):
            row = dict(zip(columns, (epoch, 10 * epoch, 0.01, 1 / (epoch + 1), 1.1 / (epoch + 1)), strict=False))
            row |= {"val/miou": 0.5 * (1 - 0.6**epoch) + random.normal(scale=0.01), "seconds": 1.5}
            writer.writerow(row | {name: 1 + 0.1 * epoch * random.normal() for name in weights})


def _fairness(made: Synthetic, axis: list[str]) -> dict:
    start = {
        "differing": {f"{axis[0]}._target_": {arm: f"segnet.layers.{arm}" for arm in made.arms}},
        "derived": {},
        "parameters": {
            str(seed): {
                "shared": {"encoder.stages.0.weight": "0123456789abcdef", "head.weight": "fedcba9876543210"},
                "own": {arm: [] for arm in made.arms},
                "different": [],
            }
            for seed in made.seeds
        },
        "batches": {
            str(seed): {"same": True, "order": "00ff00ff00ff00ff", "batches": ["1111", "2222"]} for seed in made.seeds
        },
    }
    trained = {
        "seeds": {str(s): {"same": True, "device": "cpu", "batches": ["aaaa", "bbbb", "cccc"]} for s in made.seeds},
        "problems": [],
    }
    return {"axis": axis, "checked": dict.fromkeys(made.kinds, start), "trained": trained}


def _costs(made: Synthetic) -> dict:
    arms = {}
    for number, arm in enumerate(made.arms):
        milliseconds = {"median": 5.0 + number, "low": 4.5 + number, "high": 6.0 + number, "repeats": 10}
        arms[arm] = {
            "image_size": [64, 64],
            "params": 100_000 + 20_000 * number,
            "macs": 50_000_000 + 10_000_000 * ((number * 3) % 5),
            "plain_macs": 90_000_000,
            "activation_bytes": 2_000_000 + 100_000 * number,
            "index_bytes": 65_536 if arm == "max_unpool" else 0,
            "latency_ms": {"inference": milliseconds, "training step": {k: 3 * v for k, v in milliseconds.items()}},
        }
    setting = {"batch_size": 1, "precision": "32-true", "device": "cpu", "device_name": "a CPU", "threads": 2}
    return {"setting": setting, "arms": arms}


def add_networks(root: Path) -> None:
    """Give each completed run of an experiment on the upsampler a config and a checkpoint: tiny networks, untrained."""
    import torch

    from segnet.build import network_from_config
    from segnet.config import compose

    tiny = ["data=shapes", "data.size=[24,32]", "data.images={train:4,val:2,test:12}", "data.batch_size=2"]
    tiny += ["data.num_workers=0", "encoder.widths=[2,4]", "encoder.depths=[1,1]", "skip=none", "run_dir=x"]
    for metrics in sorted(root.glob("runs/*/*/metrics.json")):
        arm, seed = metrics.parent.parent.name, metrics.parent.name.split("-")[0]
        config = compose([*tiny, f"upsampler={arm}", f"seed={seed}"])
        metrics.with_name("config.yaml").write_text(to_run_yaml(config))
        state = {f"network.{name}": value for name, value in network_from_config(config).state_dict().items()}
        (metrics.parent / "checkpoints").mkdir(exist_ok=True)
        torch.save({"state_dict": state}, metrics.parent / "checkpoints" / "best.ckpt")
