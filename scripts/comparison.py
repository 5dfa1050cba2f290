"""Whether two run folders hold the same training."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segnet.run_folder import HISTORY, checkpoint_file, read_json

CLOCKS = {"seconds", "train_seconds", "train_images_per_second", "seconds_to_first_step"}
"""What is measured anew in each run."""
PARTS = ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "global_step", "epoch", "epoch_loss")


def differences(one: Path, two: Path) -> list[str]:
    """Say in what two run folders differ, bit for bit: weights, optimiser, schedule, history, scores and counts."""
    found = []
    for name in ("best", "last"):
        states = [torch.load(run / checkpoint_file(name), weights_only=True) for run in (one, two)]
        found += [f"{name}.ckpt: {part}" for part in PARTS if not _same(*(state.get(part) for state in states))]
    histories = [list(csv.DictReader((run / HISTORY).read_text().splitlines())) for run in (one, two)]
    if not _same(*([_without_clocks(row) for row in rows] for rows in histories)):
        found.append(HISTORY)
    if not _same(*(_without_clocks(read_json(run / "metrics.json")) for run in (one, two))):
        found.append("metrics.json")
    for split in ("val", "test"):
        with np.load(one / "scores" / f"{split}.npz") as a, np.load(two / "scores" / f"{split}.npz") as b:
            if a.files != b.files or not all(np.array_equal(a[key], b[key]) for key in a.files):
                found.append(f"scores/{split}.npz")
    left = sorted({path.name for path in two.rglob("*")} - {path.name for path in one.rglob("*")})
    return found + [f"{name} was left" for name in left]


def _without_clocks(values: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) for name, value in values.items() if name not in CLOCKS}


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and torch.equal(one, two)
    if isinstance(one, dict):
        return isinstance(two, dict) and one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(_same(a, b) for a, b in zip(one, two, strict=True))
    return bool(one == two)
