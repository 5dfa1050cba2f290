"""What all commands share: where the configs are, and how an error is shown."""

import logging
import os
import sys
from collections.abc import Callable
from typing import TextIO

import hydra
from omegaconf import DictConfig, OmegaConf

from segnet.config import config_dir, register_resolvers
from segnet.errors import UserError, find_user_error


class TerminalHandler(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stdout`` is at that moment, so that lines appear above a progress bar and not under it."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def emit(self, record: logging.LogRecord) -> None:
        """Write to the standard output, as a running progress bar has redirected it."""
        self.stream = sys.stdout
        super().emit(record)


def required(config: DictConfig, key: str, example: str) -> str:
    """Return the value of a setting that the user has to give.

    Raises:
        UserError: it was not given.
    """
    if config[key] is None:
        raise UserError(f"say {key}=..., as in {key}={example}")
    return str(config[key])


def sweep_folder(number: int, overrides: list[str]) -> str:
    """Name one run of a sweep by what it sweeps, as in ``upsampler=nearest,seed=0``.

    Hydra's own name has every override in it, and soon is longer than a file system takes.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = [text for text in sys.argv[1:] if "=" in text and not text.startswith("-")]
    parser = OverridesParser.create()
    swept = {override.key_or_group for override in parser.parse_overrides(given) if override.is_sweep_override()}
    name = ",".join(text for text in overrides if text.split("=")[0] in swept).replace("/", "_")
    return name if 0 < len(name) <= 120 else f"{number:03d}_{name[:120]}".rstrip("_")


def run_command(name: str, work: Callable[[DictConfig], object]) -> None:
    """Run ``work`` as the Hydra app whose root config is ``configs/<name>.yaml``.

    A mistake of the user's ends with one sentence and exit code 1; ``HYDRA_FULL_ERROR=1`` shows the traceback.
    """

    def guarded(config: DictConfig) -> object:
        try:
            return work(config)
        except Exception as error:
            cause = find_user_error(error)
            if cause is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            logging.getLogger(__name__).debug("the traceback", exc_info=error)
            print(f"segnet-{name}: error: {cause}", file=sys.stderr)
            sys.exit(1)

    register_resolvers()
    OmegaConf.register_new_resolver("sweep_folder", sweep_folder, replace=True)
    hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=name)(guarded)()
