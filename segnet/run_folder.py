"""The files of a run folder, each written whole or not at all."""

import contextlib
import csv
import io
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypeAlias, TypedDict

from segnet.errors import UserError

if TYPE_CHECKING:  # reading a run's text files needs neither numpy nor Pillow
    import numpy as np

CONFIG, METRICS, HISTORY = "config.yaml", "metrics.json", "history.csv"
PREDICTIONS, EVALUATION = "predictions.png", "evaluation.json"
EVALUATION_SCORES, EVALUATION_IMAGES = "evaluation.npz", "evaluation.csv"
EVALUATION_PAGE = "evaluation.html"
TRAIN_LOG, BATCH_RECORD = "train.log", "batches.json"
PART = ".part"
"""How the name of a file ends that is being written."""

Metrics: TypeAlias = dict[str, object]
"""``metrics.json``: an :class:`Outcome`, and of a completed run its :class:`RunFacts` and its scores by flat names such
as ``val/miou``, ``test/iou/road``, ``lookup/test/miou`` (None for a score that does not exist)."""


OUTCOMES = ("completed", "failed", "interrupted")


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


def resuming(run_dir: Path) -> str:
    """Return the argument of ``segnet-train`` that resumes a run, as it is typed in a shell."""
    return shlex.quote(f"resume={run_dir}")


def scores_file(run_dir: Path, split: str) -> Path:
    """Where a training stores what its best checkpoint scored on each image of a split."""
    return run_dir / "scores" / f"{split}.npz"


def beside(path: Path) -> Path:
    """Return where a file is written before it gets its name; :func:`remove_parts` knows it."""
    return path.with_name(f".{path.name}.{os.getpid()}{PART}")


def write_whole(path: Path, content: str | bytes, make_folder: bool = True) -> None:
    """Write a file beside its place, then rename it: a reader sees the old content or the new, also after a crash.

    Args:
        path: where to.
        content: the whole of it.
        make_folder: make the folder that it lies in, if it is not there.

    Raises:
        UserError: the disk is full, or the folder is gone or cannot be written; the old content is still there.
    """
    part = beside(path)
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_synced(part, content)
            move_into_place(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"{path} could not be written: {error.strerror}") from error


def write_together(files: Mapping[Path, str | bytes]) -> None:
    """Write files of one folder that belong together: all are on the disk before the first gets its name.

    Each file is whole at any time. A process that is killed between two renames leaves some of them new.

    Raises:
        UserError: a file could not be written, see :func:`write_whole`; then none is replaced, unless a rename failed.
    """
    parts = {path: beside(path) for path in files}
    try:
        try:
            for path, part in parts.items():
                part.parent.mkdir(parents=True, exist_ok=True)
                _write_synced(part, files[path])
            for path, part in parts.items():
                move_into_place(part, path)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
    except OSError as error:
        folder = next(iter(files)).parent
        raise UserError(f"{folder} could not be written: {error.strerror}; name another folder in output=") from error


def _write_synced(part: Path, content: str | bytes) -> None:
    with part.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def move_into_place(part: Path, path: Path) -> None:
    """Rename a file that is complete, and have the file system remember it."""
    part.replace(path)
    with contextlib.suppress(OSError):  # not every system lets a folder be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove_parts(run_dir: Path) -> None:
    """Remove what a killed training had half written; for whoever owns the folder."""
    for folder in (run_dir, run_dir / checkpoint_file("last").parent, scores_file(run_dir, "test").parent):
        for part in folder.glob(f".*{PART}"):
            part.unlink(missing_ok=True)


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


def write_json(path: Path, values: Mapping[str, Any], make_folder: bool = True) -> None:
    """Write values as JSON; a score that does not exist (NaN) becomes null. See :func:`write_whole`."""
    write_whole(path, to_json(values), make_folder)


def to_json(values: Mapping[str, Any]) -> str:
    """Render values as JSON; a score that does not exist (NaN) becomes null."""
    plain = {key: None if isinstance(value, float) and value != value else value for key, value in values.items()}
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file; an empty dict where there is none.

    Raises:
        UserError: the file is not whole.
    """
    if not path.is_file():
        return {}
    try:
        values: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not whole ({error}): run the command that wrote it again") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} is not whole (it holds no names and values): run the command that wrote it again")
    return values


def read_metrics(run_dir: Path) -> dict[str, Any]:
    """Read the ``metrics.json`` of a run; nothing where it has not ended.

    Raises:
        UserError: the file is damaged.
    """
    metrics = read_json(run_dir / METRICS)
    if metrics and metrics.get("status") not in OUTCOMES:
        raise UserError(
            f"{run_dir / METRICS} is damaged (its status is {metrics.get('status')!r}): delete it, then "
            f"segnet-train {resuming(run_dir)} scores the run again"
        )
    return metrics


def write_metrics(run_dir: Path, outcome: Outcome, results: Metrics) -> None:
    """Write ``metrics.json``: the outcome, and the facts and scores of a completed run."""
    write_json(run_dir / METRICS, {**outcome, **results}, make_folder=False)


def read_history(path: Path) -> list[dict[str, str]]:
    """Read the rows of ``history.csv``; none where there is no file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        for row in rows:
            int(row["epoch"])
            if None in row or None in row.values():
                raise ValueError(f"the row of epoch {row['epoch']} has not one value per column")
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        reason = f"it has no column {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise UserError(f"{path} is damaged ({reason}): delete it, and its rows are lost but not the run") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return rows


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``history.csv``, one row per epoch; one without validation leaves the columns of the scores empty."""
    text = io.StringIO()
    widest = max(reversed(rows), key=len)
    writer = csv.DictWriter(text, fieldnames=list(widest), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue(), make_folder=False)
