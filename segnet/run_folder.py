"""The files of a run folder, each written whole or not at all."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypeAlias, TypedDict

from segnet.errors import UserError

if TYPE_CHECKING:  # reading a run's text files needs neither numpy nor Pillow
    import numpy as np

CONFIG, METRICS, HISTORY = "config.yaml", "metrics.json", "history.csv"
PREDICTIONS, EVALUATION = "predictions.png", "evaluation.json"
EVALUATION_SCORES = "evaluation.npz"
TRAIN_LOG, BATCH_RECORD = "train.log", "batches.json"

Metrics: TypeAlias = dict[str, object]
"""``metrics.json``: an :class:`Outcome`, and of a completed run its :class:`RunFacts` and its scores by flat names such
as ``val/miou``, ``test/iou/road``, ``lookup/test/miou`` (None for a score that does not exist)."""


class Outcome(TypedDict):
    """How a training ended."""

    status: Literal["completed", "failed", "interrupted"]
    seed: int
    error: NotRequired[str]


class RunFacts(TypedDict):
    """What a completed training says of itself beside its scores.

    Attributes:
        params: trainable values.
        macs: multiply-accumulates for one image of the size below.
        macs_image_size: height and width.
        epochs: finished ones.
        train_seconds: in training steps, over all attempts, validation left out.
        train_images_per_second: over the same time.
        seconds_to_first_step: from the call of the command; None where no step was taken.
        device: as torch names it.
        precision: as Lightning names it.
        torch: its version.
    """

    params: int
    macs: int
    macs_image_size: list[int]
    epochs: int
    train_seconds: float
    train_images_per_second: float
    seconds_to_first_step: float | None
    device: str
    precision: str
    torch: str


def checkpoint_file(name: str) -> Path:
    """Return the path within a run folder of the checkpoint "best" or "last"."""
    return Path("checkpoints", f"{name}.ckpt")


def scores_file(run_dir: Path, split: str) -> Path:
    """Where a training stores what its best checkpoint scored on each image of a split."""
    return run_dir / "scores" / f"{split}.npz"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file beside its place, then rename it: a reader sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    beside.replace(path)


def write_picture(path: Path, pixels: "np.ndarray") -> None:
    """Write ``(H, W)`` or ``(H, W, 3)`` uint8 as PNG, whole or not at all."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    write_whole(path, file.getvalue())


def write_arrays(path: Path, **arrays: "np.ndarray") -> None:
    """Write arrays as a compressed ``.npz``, whole or not at all."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    write_whole(path, file.getvalue())


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON; a score that does not exist (NaN) becomes null."""
    plain = {key: None if isinstance(value, float) and value != value else value for key, value in values.items()}
    write_whole(path, json.dumps(plain, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file; an empty dict where there is none.

    Raises:
        UserError: the file is not whole.
    """
    if not path.is_file():
        return {}
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is not whole ({error}): run the command that wrote it again") from error
    return values


def read_metrics(run_dir: Path) -> dict[str, Any]:
    """Read the ``metrics.json`` of a run; nothing where it has not ended.

    Raises:
        UserError: the file is damaged.
    """
    return read_json(run_dir / METRICS)


def write_metrics(run_dir: Path, outcome: Outcome, results: Metrics) -> None:
    """Write ``metrics.json``: the outcome, and the facts and scores of a completed run."""
    write_json(run_dir / METRICS, {**outcome, **results})


def read_history(path: Path) -> list[dict[str, str]]:
    """Read the rows of ``history.csv``; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``history.csv``, one row per epoch; one without validation leaves the columns of the scores empty."""
    text = io.StringIO()
    widest = max(reversed(rows), key=len)
    writer = csv.DictWriter(text, fieldnames=list(widest), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
