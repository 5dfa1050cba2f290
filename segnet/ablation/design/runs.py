"""Runs of an experiment: a folder for each, named after what is trained in it."""

import hashlib
import json
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from segnet.ablation.design.plan import Arm
from segnet.config import Config, to_values
from segnet.training.version import ADDED_SETTINGS, TRAINING_VERSION

NOT_PART_OF_A_RUN = (
    *("name", "run_dir", "resume", "allow_code", "logger", "data.num_workers", "checkpoint"),
    *("data.root", "data.dataset.root", "data.download", "data.dataset.download"),
    *("data.cache_dir", "data.cache_budget_gib"),
    "data.verify",
    *("callbacks.last_checkpoint.every_n_steps", "callbacks.last_checkpoint.every_n_minutes"),
)
"""Config paths that say where a run and its data are kept and how it is fed, and have no effect on the training."""
_ABSENT = object()
Kind = Literal["as_is", "matched", "tuning"]
"""A run is of the comparison of the arms as they are, of that of arms matched in cost, or of the tuning."""
AS_IS: Literal["as_is"] = "as_is"
MATCHED: Literal["matched"] = "matched"
COMPARISONS = (AS_IS, MATCHED)


@dataclass(frozen=True)
class Run:
    """One training of one arm with one seed.

    Attributes:
        arm: the arm.
        seed: of the training.
        kind: the comparison, or the tuning, that it belongs to.
        config: as composed, for this seed; ``run_dir`` is left open.
        key: see :func:`config_key`.
        folder: the run folder.
    """

    arm: Arm
    seed: int
    kind: Kind
    config: Config
    key: str
    folder: Path

    @property
    def epochs(self) -> int:
        """Number of epochs that the run takes."""
        return int(self.config.trainer.max_epochs)


def plan_run(arm: Arm, config: Config, seed: int, kind: Kind, root: Path) -> Run:
    """Return the run of an arm's config with a seed; ``root`` is the folder of all runs."""
    config = config.copy()
    config.seed = seed
    key = config_key(config)
    return Run(arm, seed, kind, config, key, root / arm.folder / f"{seed}-{key}")


def config_key(config: Config) -> str:
    """Hash a config, resolved, and the version of the training, without what has no effect: 10 hexadecimal digits.

    See :data:`NOT_PART_OF_A_RUN` and :mod:`segnet.training.version`.
    """
    config = config.copy()
    config.run_dir = ""  # the time is in it, and callbacks have copies of it
    values = to_values(config)
    for path in NOT_PART_OF_A_RUN:
        _parent(values, path).pop(path.split(".")[-1], None)
    for path, neutral in ADDED_SETTINGS.items():
        parent, name = _parent(values, path), path.split(".")[-1]
        if parent.get(name, _ABSENT) == neutral:
            del parent[name]
    values["training_version"] = TRAINING_VERSION
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=5).hexdigest()


def _parent(values: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the dict that holds the last part of a path; an empty one where there is none."""
    return reduce(lambda node, part: node.get(part) or {}, path.split(".")[:-1], values)
