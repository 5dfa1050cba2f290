"""Reading the per-image scores of a whole experiment."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from segnet.errors import UserError
from segnet.metrics.image_scores import ImageScores, read_scores


def read_arms(files: Mapping[str, Mapping[int, Path]]) -> dict[str, dict[int, ImageScores]]:
    """Read the per-image scores of all runs of an experiment.

    Args:
        files: by arm and seed, such as ``{"nearest": {0: RUN_DIR / "scores/test.npz"}}``.

    Raises:
        UserError: a file cannot be read, or two runs were scored on different images.
    """
    arms = {arm: {seed: read_scores(path) for seed, path in seeds.items()} for arm, seeds in files.items()}
    first: tuple[Path, ImageScores] | None = None
    for arm, seeds in arms.items():
        for seed, scores in seeds.items():
            path = files[arm][seed]
            first = first or (path, scores)
            same = np.array_equal(scores.names, first[1].names) and np.array_equal(scores.classes, first[1].classes)
            if not same:
                raise UserError(f"{path} and {first[0]} score different images: compare runs on one split")
    return arms
