"""What stands on a command line: paths as they are, and settings that exist."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segnet.config import compose, config_dir, quote, to_values
from segnet.errors import UserError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

DATA_PATHS = ("data.root", "data.cache_dir", "data_root")
PATHS = frozenset(
    ["run", "run_dir", "resume", "init", "table", "ablation_dir", "report", "verify", "input", "output", *DATA_PATHS]
)
"""Settings whose values are paths, in any command."""
_ABSENT = object()


def quote_paths(arguments: Sequence[str]) -> list[str]:
    """Quote the values of path settings, so that Hydra takes ``run=a, b=c (ü)`` as it is written.

    What is quoted already, and ``null``, stays.
    """
    return [_quote_path(argument) for argument in arguments]


def _quote_path(argument: str) -> str:
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in PATHS or value in ("", "null"):
        return argument
    return argument if _is_quoted(value) else f"{key}={quote(value)}"


def given_path(arguments: Sequence[str], key: str) -> Path | None:
    """Return the path that a command line gives for a setting; None where it does not."""
    for argument in reversed(arguments):
        name, equals, value = argument.partition("=")
        if equals and name.lstrip("+") == key and value != "null":
            return Path(value[1:-1] if _is_quoted(value) else value)
    return None


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""


def config_folders(arguments: Sequence[str]) -> list[Path]:
    """Return the folders in which choices are looked for: the shipped one, and what ``--config-dir`` names."""
    folders = [config_dir()]
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in ("--config-dir", "-cd"):
            folders.append(Path(value if equals else "".join(arguments[place + 1 : place + 2])))
    return folders


def choices(group: str, folders: Iterable[Path]) -> list[str]:
    """Return the choices of a config group, in order; ``base`` is what the others share, and no choice."""
    names = {path.stem for folder in folders for path in (folder / group).glob("*.yaml")}
    return sorted(names - {"base"})


def check_overrides(config_name: str, arguments: Sequence[str]) -> None:
    """Check that every setting and choice on a command line exists, before anything runs.

    Args:
        config_name: the root config, such as "train".
        arguments: the command line, paths quoted.

    Raises:
        UserError: one does not; the message says what comes close.
    """
    folders = config_folders(arguments)
    overrides = _parse(_without_options(arguments))
    ours = [override for override in overrides if not override.key_or_group.split(".")[0].startswith("hydra")]
    groups = [override for override in ours if _is_group(override, folders)]
    for override in groups:
        _check_choice(override, folders)
    searchpath = [f"hydra.searchpath=[{','.join(quote(f'file://{path.absolute()}') for path in folders[1:])}]"]
    config = compose([*(searchpath if folders[1:] else []), *map(_first_choice, groups)], config_name)
    settings = to_values(config, resolve=False)
    for override in ours:
        if override not in groups and not override.is_delete():
            _check_key(settings, override)


def _without_options(arguments: Sequence[str]) -> list[str]:
    """Leave out Hydra's options; ``-sc install=bash`` is one, and ``key=-3`` none."""
    if {"-sc", "--shell-completion"} & set(arguments):
        return []
    takes_value = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p")
    return [
        argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
        if "=" in argument and not argument.startswith("-") and before not in takes_value
    ]


def _parse(texts: Sequence[str]) -> list["Override"]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, overrides = OverridesParser.create(), []
    for text in texts:
        try:
            overrides.append(parser.parse_override(text))
        except HydraException as error:
            key, _, value = text.partition("=")
            raise UserError(f'{text} cannot be read: put the value in quotes, as in "{key}={quote(value)}"') from error
    return overrides


def _is_group(override: "Override", folders: Sequence[Path]) -> bool:
    group = override.key_or_group
    return "." not in group and any((folder / group).is_dir() for folder in folders)


def _check_choice(override: "Override", folders: Sequence[Path]) -> None:
    known = choices(override.key_or_group, folders)
    values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    for value in values:
        for name in value if isinstance(value, list) else [value]:
            if str(name) not in known:
                typed = override.get_value_element_as_str() if not override.is_sweep_override() else name
                raise UserError(
                    f"{override.key_or_group}={typed} is not known{_suggestion(str(name), known)}: choose one of "
                    f"{', '.join(known)}{_own_weights(override.key_or_group, value)}"
                )


def _own_weights(group: str, value: Any) -> str:
    """Say where a list of weights belongs, for who gives it to the group."""
    if group != "class_weights" or not isinstance(value, list):
        return ""
    return f"; weights of your own are class_weights=given class_weights.weights=[{','.join(map(str, value))}]"


def _first_choice(override: "Override") -> str:
    """Return an override without its sweep: the structure of the config is that of its first value."""
    if not override.is_sweep_override():
        return str(override.input_line)
    return f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"


def _check_key(settings: Mapping[str, Any], override: "Override") -> None:
    key = override.key_or_group
    if override.is_force_add():
        return
    exists = _find(settings, key) is not _ABSENT
    if override.is_add() and exists:
        raise UserError(f"{key} is there already: leave out the + before it")
    if not override.is_add() and not exists:
        raise UserError(f"there is no setting {key}: {_advice(settings, key)}")


def _find(settings: Any, key: str) -> Any:
    """Return what lies at a dotted path, or ``_ABSENT``."""
    for part in re.findall(r"[^.\[\]]+", key):
        if isinstance(settings, dict) and part in settings:
            settings = settings[part]
        elif isinstance(settings, list) and part.isdigit() and int(part) < len(settings):
            settings = settings[int(part)]
        else:
            return _ABSENT
    return settings


def _advice(settings: Mapping[str, Any], key: str) -> str:
    """Say what a user may have meant by a setting that does not exist."""
    from segnet.config_values import parameters_of  # late: it imports torch

    parent, _, name = key.rpartition(".")
    siblings = _find(settings, parent) if parent else settings
    names = list(siblings) if isinstance(siblings, dict) else []
    close = [f"{parent}.{near}" if parent else near for near in difflib.get_close_matches(name, names, n=1, cutoff=0.7)]
    close = close or [path for path in _paths(settings) if path.rpartition(".")[2] == name][:3]
    if close:
        return f"did you mean {' or '.join(close)}?"
    target = siblings.get("_target_") if isinstance(siblings, dict) else None
    if target is not None and name in parameters_of(target):
        return f"add it by +{key}=..., and {target.rpartition('.')[2]} takes it"
    shown = [other for other in names if not other.startswith("_")]
    return f"{parent or 'the config'} has {', '.join(shown)}" if shown else "--cfg job shows all settings"


def _paths(settings: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted path of each setting."""
    for key, value in settings.items() if isinstance(settings, dict) else ():
        path = f"{prefix}.{key}" if prefix else str(key)
        yield path
        yield from _paths(value, path)


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
