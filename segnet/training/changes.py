"""Which settings of a run may change when it is resumed."""

from collections.abc import Sequence
from pathlib import Path

from segnet.config import Config, get_value, instantiate, to_values, with_values
from segnet.errors import UserError
from segnet.run_folder import HISTORY, read_history
from segnet.training.schedules import FIXED_LENGTH

HARMLESS = (
    *("name", "logger", "callbacks.progress_bar", "checkpoint", "trainer.profiler"),
    *("data.num_workers", "data.eval_batch_size", "data.cache_budget_gib", "data.cache_dir", "data.verify"),
    *("trainer.devices", "trainer.num_nodes", "trainer.max_time", "trainer.log_every_n_steps"),
)
"""Settings, and whole nodes of them, that say how a training is done and watched, and not what comes out of it."""
LENGTH = ("epochs", "trainer.max_epochs")
COPIES = {
    "checkpoint.every_n_steps": "callbacks.last_checkpoint.every_n_steps",
    "checkpoint.every_n_minutes": "callbacks.last_checkpoint.every_n_minutes",
}
"""Where a stored config, in which nothing refers to anything, has a setting once more."""


def with_changes(stored: Config, composed: Config, overrides: Sequence[str], run_dir: Path) -> Config:
    """Return the config of a run with what is to change when it is resumed.

    Args:
        stored: of the run.
        composed: from the shipped configs and the overrides; their values are taken from it.
        overrides: as on the command line, without ``resume``.
        run_dir: of the run.

    Raises:
        UserError: an override would make another run of it, or the run cannot have that length.
    """
    keys = [text.partition("=")[0].lstrip("+") for text in overrides]
    refused = [text for text, key in zip(overrides, keys, strict=True) if not _may_change(key)]
    if refused:
        raise UserError(
            f"{' '.join(refused)} would make another training of a run that is resumed: leave it out, or start a new "
            f"run without resume; a resumed run takes epochs, and {', '.join(HARMLESS)}"
        )
    changed = stored
    for key in keys:
        value = get_value(composed, key)
        places = LENGTH if key in LENGTH else (key, *([COPIES[key]] if key in COPIES else []))
        changed = with_values(
            changed, {place: to_values(value) if isinstance(value, Config) else value for place in places}
        )
    if changed.trainer.max_epochs != stored.trainer.max_epochs:
        _check_length(stored, changed.trainer.max_epochs, run_dir)
    return changed


def _may_change(key: str) -> bool:
    return key in LENGTH or any(key == name or key.startswith(f"{name}.") for name in HARMLESS)


def _check_length(stored: Config, epochs: int, run_dir: Path) -> None:
    before, setting = stored.trainer.max_epochs, f"trainer.max_epochs={epochs}"
    finished = len(read_history(run_dir / HISTORY))
    if epochs < finished:
        raise UserError(f"{setting} is less than the {finished} epochs that {run_dir} has finished: give more")
    schedule = instantiate(stored.scheduler)
    if getattr(schedule, "func", schedule) in FIXED_LENGTH:
        raise UserError(
            f"{setting} cannot change the length of a run of {before} epochs whose scheduler rises and falls once over "
            f"its whole length: start a new run, with scheduler=constant, poly or cosine if it may be lengthened"
        )
