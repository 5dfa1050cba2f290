"""An experiment without its weights: a folder that is small enough to publish, and that other machines go on from."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, cast

from segnet import __version__
from segnet.ablation.design.files import (
    BUNDLE,
    COSTS,
    CSV,
    EXPERIMENT,
    FAIRNESS,
    INSPECTION,
    INSPECTION_ARRAYS,
    LATEX,
    MARKDOWN,
    PLAN,
    RESULTS,
    RUN,
    TUNING,
)
from segnet.ablation.design.runs import Run
from segnet.ablation.execution.records import RunRecord
from segnet.ablation.execution.run_state import read_record, status
from segnet.ablation.results.experiment_folder import ExperimentFolder, compared_scores, read_experiment
from segnet.ablation.results.inspection import read_inspection, write_inspection
from segnet.config import get_value, load_config, to_run_yaml, with_values
from segnet.errors import UserError
from segnet.run_folder import BATCH_RECORD, CONFIG, HISTORY, METRICS, read_json, write_json, write_whole
from segnet.training.version import TRAINING_VERSION
from segnet.trusted_classes import allow_code

OF_THE_EXPERIMENT = (PLAN, FAIRNESS, COSTS, TUNING, EXPERIMENT, RESULTS, CSV, MARKDOWN, LATEX)
OF_A_RUN = (BATCH_RECORD, HISTORY, compared_scores(Path()), METRICS)
"""Files that are taken as they are, in this order: a run with its ``metrics.json`` is whole."""
PLACES = ("data.root", "data.dataset.root", "data.cache_dir")
OF_A_MACHINE = ("host", "pid")
"""What is left out of a run's attempts."""


class BundleRecord(TypedDict):
    """``bundle.json``.

    Attributes:
        segnet: the version that packed it.
        training_version: see :data:`segnet.training.version.TRAINING_VERSION`.
        runs: the folders of the completed runs, by key.
        files: hash of each file, by its path within the bundle.
    """

    segnet: str
    training_version: int
    runs: dict[str, str]
    files: dict[str, str]


def pack(experiment_dir: str | Path, bundle_dir: str | Path) -> BundleRecord:
    """Write a bundle of an experiment: its tables, and of each completed run all but its weights and its log.

    Paths of this machine are replaced: data sets lie in ``data/``. What shows images of the data set is left out, since
    a bundle is to be published and they may not be. A bundle that lies there already is replaced.

    Args:
        experiment_dir: see :func:`segnet.ablation.run_ablation`; runs may be missing.
        bundle_dir: a new folder, an empty one, or an older bundle.

    Raises:
        UserError: the one is no experiment, or has no completed run; or the other holds something else.
    """
    folder, bundle = read_experiment(experiment_dir), Path(bundle_dir)
    runs = folder.completed_runs()
    if not runs:
        raise UserError(f"{folder.root.absolute()} has no completed run to pack")
    _clear(bundle)
    place = _without_places(folder, runs)
    for name in OF_THE_EXPERIMENT:
        if (folder.root / name).is_file():
            write_whole(bundle / name, place((folder.root / name).read_bytes().decode()))
    if (inspection := read_inspection(folder.root)) is not None:
        write_inspection(bundle, replace(inspection, crops=[]))
        write_whole(bundle / INSPECTION, place((bundle / INSPECTION).read_text(encoding="utf-8")))
    for run in runs:
        _pack_run(run, bundle / run.relative_to(folder.root), place)
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    record: BundleRecord = {
        "segnet": __version__,
        "training_version": int(folder.record["versions"].get("training", 0)),
        "runs": {read_record(run)["key"]: run.relative_to(folder.root).as_posix() for run in runs},
        "files": {path.relative_to(bundle).as_posix(): _hash(path) for path in files},
    }
    write_json(bundle / BUNDLE, cast(Mapping[str, Any], record))
    return record


def changed_files(root: Path) -> list[str]:
    """Name the files of a bundle that are not what was packed, or are missing; none in a folder that is no bundle.

    Raises:
        UserError: ``bundle.json`` is not whole.
    """
    files = read_json(root / BUNDLE).get("files", {})
    return [name for name, packed in files.items() if not (root / name).is_file() or _hash(root / name) != packed]


def take_runs(bundle_dir: str | Path, experiment_dir: Path, runs: Iterable[Run]) -> str:
    """Fill the folders of runs that are not completed with those that a bundle holds.

    What the bundle says of its networks is taken too, where the experiment has nothing of the kind yet.

    Args:
        bundle_dir: see :func:`pack`.
        experiment_dir: the experiment's folder.
        runs: of the experiment.

    Returns:
        A sentence that says how many were taken.

    Raises:
        UserError: the folder is no bundle, one of its files has changed, or another version of the training made it.
    """
    bundle = Path(bundle_dir)
    record = cast(BundleRecord, read_json(bundle / BUNDLE))
    if not record:
        raise UserError(f"from={bundle_dir} is not a bundle: it has no {BUNDLE}; segnet-ablate bundle=... writes one")
    if record["training_version"] != TRAINING_VERSION:
        raise UserError(
            f"from={bundle_dir} was trained by version {record['training_version']} of the training, and this is "
            f"version {TRAINING_VERSION}, which comes to other numbers: use the segnet that made it "
            f"({record['segnet']}), or train anew"
        )
    changed = changed_files(bundle)
    if changed:
        raise UserError(f"from={bundle_dir} is not what was packed: {changed[0]} has changed, or is missing")
    planned = list({run.folder: run for run in runs}.values())
    missing = [run for run in planned if run.key in record["runs"] and status(run.folder) != "completed"]
    for run in missing:
        _take_run(bundle / record["runs"][run.key], run)
    if missing and not (experiment_dir / INSPECTION).is_file():
        for name in (INSPECTION_ARRAYS, INSPECTION):
            if (bundle / name).is_file():
                write_whole(experiment_dir / name, (bundle / name).read_bytes())
    return f"from={bundle_dir}: {len(missing)} of {len(planned)} runs taken as they are"


def _clear(bundle: Path) -> None:
    """Remove the files of an older bundle."""
    if not bundle.exists() or (bundle.is_dir() and not any(bundle.iterdir())):
        return
    files = read_json(bundle / BUNDLE).get("files")
    if files is None:
        raise UserError(f"bundle={bundle} holds something that is no bundle: choose a new folder")
    for name in [BUNDLE, *files]:
        (bundle / name).unlink(missing_ok=True)


def _without_places(folder: ExperimentFolder, runs: Sequence[Path]) -> Callable[[str], str]:
    """Return a function that replaces places of this machine in a text: its own, of data, and of its command."""
    places = {str(folder.root.absolute()): "."}
    for run in runs:
        with allow_code():  # nothing is built of it
            config = load_config(run)
        if (root := get_value(config, "data.root")) is not None:
            places[str(root)] = f"data/{Path(root).name}"
        if (cache := get_value(config, "data.cache_dir")) is not None:
            places[str(cache)] = "cache"
    for argument in folder.record["command"]:
        value = argument.partition("=")[2]
        if Path(value).is_absolute() and Path(value).name:
            places.setdefault(value, Path(value).name)

    def replace(text: str) -> str:
        for there, here in sorted(places.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(there, here)
        return text

    return replace


def _pack_run(run: Path, packed: Path, place: Callable[[str], str]) -> None:
    with allow_code():
        config = load_config(run)
    places = {path: place(value) for path in PLACES if (value := get_value(config, path))}
    write_whole(packed / CONFIG, to_run_yaml(with_values(config, places)))
    record = read_record(run)
    attempts = [{key: value for key, value in one.items() if key not in OF_A_MACHINE} for one in record["attempts"]]
    write_json(packed / RUN, {**record, "attempts": attempts, "without_weights": True})
    for name in OF_A_RUN:
        if (run / name).is_file():
            write_whole(packed / name, (run / name).read_bytes())


def _take_run(packed: Path, run: Run) -> None:
    """Copy a run; its ``metrics.json``, which makes it completed, comes last."""
    record: RunRecord = {**read_record(packed), "arm": run.arm.name, "levels": run.arm.levels, "kind": run.kind}
    write_whole(run.folder / CONFIG, (packed / CONFIG).read_bytes())
    write_json(run.folder / RUN, record)
    for name in OF_A_RUN:
        if (packed / name).is_file():
            write_whole(run.folder / name, (packed / name).read_bytes())


def _hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
