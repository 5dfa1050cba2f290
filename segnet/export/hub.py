"""A folder for sharing a network: its tensors, its config, its scores and a model card; no code, and no optimiser."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segnet.build import load_network
from segnet.config import Config, get_value, load_config, to_run_yaml, with_values
from segnet.errors import UserError
from segnet.export.card import model_card
from segnet.pretrained import CARD, WEIGHTS, locate
from segnet.run_folder import CONFIG, EVALUATION, METRICS, PART, read_json, read_metrics, write_json, write_whole
from segnet.trusted_classes import allow_code as code_allowed


def export_hub(
    run: str | Path, output: str | Path | None = None, checkpoint: str = "best", allow_code: bool = False
) -> Path:
    """Write ``model.safetensors``, ``config.yaml``, ``metrics.json`` and ``README.md`` into a folder of their own.

    The Hugging Face hub takes it as a model repository, and :func:`segnet.load` takes it as a run. Paths of this
    machine are left out of the config. Nothing is uploaded.

    Args:
        run: a run folder.
        output: the folder, which must not exist or be empty; None: ``export/hub`` in the run folder.
        checkpoint: "best" or "last".
        allow_code: whether the run may name classes that are no part of segnet; for runs that you trust.

    Returns:
        The folder.

    Raises:
        UserError: the run has no such checkpoint, or the folder is there already or cannot be written.
    """
    from safetensors.torch import save

    run_dir = locate(run)
    with code_allowed(allow_code):
        config = load_config(run_dir)
    network = load_network(run_dir, checkpoint, allow_code)
    folder = Path(output) if output is not None else run_dir / "export" / "hub"
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"output={folder} is there already: name a folder that is not")
    metrics, evaluation = read_metrics(run_dir), read_json(run_dir / EVALUATION)
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    files: dict[str, str | bytes | Mapping[str, Any]] = {
        WEIGHTS: save(tensors, metadata={"format": "pt"}),
        CONFIG: to_run_yaml(without_machine(config)),
        METRICS: metrics,
        CARD: model_card(config, metrics, evaluation, sum(tensor.numel() for tensor in network.parameters())),
    }
    if evaluation:
        files[EVALUATION] = evaluation
    _write_folder(folder, files)
    return folder


def _write_folder(folder: Path, files: Mapping[str, str | bytes | Mapping[str, Any]]) -> None:
    """Write all files into a folder beside, then rename that."""
    part = folder.with_name(f".{folder.name}{PART}")
    try:
        shutil.rmtree(part, ignore_errors=True)
        for name, content in files.items():
            if isinstance(content, str | bytes):
                write_whole(part / name, content)
            else:
                write_json(part / name, content)
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise UserError(f"output={folder} cannot be written ({error.strerror}): name another folder") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def without_machine(config: Config) -> Config:
    """Return a config without the paths of the machine that it was trained on.

    The data set's folder becomes ``data/NAME``, where one that is downloaded goes.
    """
    own = f"data/{get_value(config, 'data.name') or 'data'}"
    changes: dict[str, str | None] = {"run_dir": "."}
    for path, value in (
        *((path, own) for path in ("data.root", "data.dataset.root")),
        *((path, None) for path in ("data.cache_dir", "resume", "init", "encoder.weights", "model.encoder.weights")),
    ):
        present = get_value(config, path)
        if isinstance(present, str) and Path(present).is_absolute():
            changes[path] = value
    return with_values(config, changes)
