"""Keeps what Hydra read and composed, so that a process of tests does each once."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from segnet.config import config_dir


@contextmanager
def compose_once() -> Iterator[None]:
    """Give copies of what the shipped YAML files hold, and of what they were composed to before.

    Whatever looks beyond the shipped folder, such as a command with ``--config-dir``, is read each time.
    """
    load, compose = OmegaConf.load, hydra.compose
    files: dict[Path, bytes] = {}
    composed: dict[tuple[str | None, ...], bytes] = {}

    def load_once(file):
        path = Path(getattr(file, "name", ""))  # Hydra opens it; what is a path or a text is no shipped file
        if not path.is_relative_to(config_dir()):
            return load(file)
        if path not in files:
            files[path] = pickle.dumps(load(file))
        return pickle.loads(files[path])

    def compose_as_before(config_name=None, overrides=(), **settings):
        if settings or not _only_shipped():
            return compose(config_name, list(overrides), **settings)
        key = (config_name, *overrides)
        if key not in composed:
            composed[key] = pickle.dumps(compose(config_name, list(overrides)))
        return pickle.loads(composed[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmegaConf, "load", staticmethod(load_once))
        patch.setattr(hydra, "compose", compose_as_before)
        yield


def _only_shipped() -> bool:
    """Whether the Hydra that is set up looks in the shipped configurations and its own alone."""
    entries = GlobalHydra.instance().config_loader().get_search_path().get_path()
    paths = {entry.path.removeprefix("file://") for entry in entries if entry.path}
    return {path for path in paths if not path.startswith(("pkg://", "structured://"))} == {str(config_dir())}
