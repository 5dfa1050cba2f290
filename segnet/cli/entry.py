"""What all commands share: where the configs are, and how an error is shown."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import segnet
import segnet.build  # adds the resolver of data=folder
from segnet.cli.arguments import check_overrides, config_folders, quote_paths
from segnet.cli.help import show_help
from segnet.cli.sweep import note_failure, sweep_failures, sweep_folder
from segnet.config import add_resolver, config_dir, in_sweep, register_resolvers, trust_own_data
from segnet.errors import UserError, find_system_error, find_user_error
from segnet.trusted_classes import allow_code, named_in, trust

PRINTING = {"--cfg", "-c", "--info", "-i", "--hydra-help"}
"""Options of Hydra's with which a command prints and does nothing else."""


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


def run_command(name: str, work: Callable[[DictConfig], object]) -> None:
    """Run ``work`` as the Hydra app whose root config is ``configs/<name>.yaml``.

    A mistake of the user's ends with one sentence and exit code 1; ``HYDRA_FULL_ERROR=1`` shows the traceback. In a
    sweep the other jobs are still done.
    """
    arguments = quote_paths(sys.argv[1:])
    with _sentences(name):
        if "--version" in arguments:
            print(f"segnet {segnet.__version__}")
            return
        if {"-h", "--help"} & set(arguments):
            show_help(name, arguments)
            return
        if PRINTING & set(arguments) and hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end with a reader such as head, which Hydra would report
        _find_own_classes(arguments)
        check_overrides(name, arguments)
    as_typed, sys.argv[1:] = sys.argv[1:], arguments
    register_resolvers()
    add_resolver("sweep_folder", sweep_folder)
    with _sentences(name), sweep_failures() as failures:
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=name)(
            _guarded(name, work, as_typed)
        )()
        if failed := failures():
            jobs = "1 job" if len(failed) == 1 else f"{len(failed)} jobs"
            raise UserError(f"{jobs} of the sweep failed: {'; '.join(failed)}")


def _guarded(name: str, work: Callable[[DictConfig], object], as_typed: list[str]) -> Callable[[DictConfig], object]:
    """End with a sentence before Hydra sees the error; in a sweep, leave the other jobs at work."""

    def guarded(config: DictConfig) -> object:
        trust_own_data(config)
        sys.argv[1:] = as_typed  # Hydra has read them; what records the command shows it as it was called
        with _sentences(name):
            try:
                with allow_code(config.get("allow_code") is True):
                    return work(config)
            except Exception as error:
                cause = find_user_error(error)
                if cause is None or not in_sweep() or _shows_tracebacks():
                    raise
                overrides = " ".join(HydraConfig.get().overrides.task)
                print(f"segnet-{name}: error: {overrides}: {cause}", file=sys.stderr)
                note_failure(overrides)
                return float("nan")

    return guarded


def _shows_tracebacks() -> bool:
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


@contextmanager
def _sentences(name: str) -> Iterator[None]:
    """End with a sentence where the user's mistake is behind an exception, and in silence where nobody reads on."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What reads the output, such as head, has seen enough. Nothing may be written at the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # as a program ends that this signal kills
    except Exception as error:
        cause = find_user_error(error) or find_system_error(error)
        if cause is None or _shows_tracebacks():
            raise
        logging.getLogger(__name__).debug("the traceback", exc_info=error)
        print(f"segnet-{name}: error: {cause}", file=sys.stderr)
        sys.exit(1)


def _find_own_classes(arguments: list[str]) -> None:
    """Let a user's configs name classes in files beside them, in the processes that this one starts too."""
    for folder in config_folders(arguments)[1:]:
        trust(named_in(folder))
    own = [str(folder.absolute()) for folder in config_folders(arguments)[1:]]
    sys.path[:0] = own
    if own:
        os.environ["PYTHONPATH"] = os.pathsep.join([*own, *filter(None, [os.environ.get("PYTHONPATH")])])
