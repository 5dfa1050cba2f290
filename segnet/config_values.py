"""Checks the values of a config against the classes that they go to, before anything is built."""

import difflib
import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import Any

from segnet.config import Config, to_values
from segnet.devices import Precision
from segnet.errors import UserError, require

REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")
PLAIN = (bool, int, float, str)
WORDS: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    Number: "a number",
    bool: "true or false",
    str: "a text",
    Path: "a path",
    type(None): "null",
}
NODES_WITH_FURTHER_KEYS = ("data",)
"""Nodes whose further keys are facts for other parts of a config, such as ``data.mean``."""
OWN_TYPES: dict[str, Any] = {"trainer.precision": Precision}
"""Types of settings that mean more than the class behind them takes."""


def check_values(config: Config) -> None:
    """Check every value below a ``_target_`` by the type that its class gives it.

    Args:
        config: as composed from ``configs/train.yaml``.

    Raises:
        UserError: a value is of another type, or the class has no such argument; the message names the setting as it
            is set on the command line, the value, what is allowed, and what comes close.
    """
    _check_seed(config.seed)
    skip = config.get("skip_steps", 0)  # runs of older versions have none
    require(type(skip) is int and skip >= 0, "skip_steps", skip, "an integer from 0 up")
    for key in ("channels_last", "compile", "float32_after_skip", "find_lr"):
        if not isinstance(config.get(key, False), bool):
            raise UserError(f"{key}={config[key]} is not allowed: choose true or false")
    if config.get("float32_after_skip", False) and (skip == 0 or config.trainer.precision != "bf16-mixed"):
        raise UserError(
            "float32_after_skip=true is for trainer.precision=bf16-mixed with skip_steps of 1 or more: set these, or "
            "leave it out"
        )
    freeze, rates = (to_values(config).get(key) for key in ("freeze", "lr_of"))
    if not _allows(list[str] | None, freeze):
        raise UserError(f"freeze={_show(freeze)} is not allowed: give a list of parts, as in freeze=[encoder]")
    if not _allows(dict[str, float] | None, rates):
        raise UserError(f"lr_of={_show(rates)} is not allowed: give factors by part, as in lr_of={{encoder:0.1}}")
    written = to_values(config, resolve=False)
    for path, node in _targets(to_values(config)):
        _check_node(path, node, written)


def _check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"seed={seed} is not allowed: choose an integer from 0 up")


def _targets(values: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each mapping that names a class, with its dotted path."""
    if isinstance(values, list):
        values = dict(enumerate(values))
    if not isinstance(values, dict):
        return
    if isinstance(values.get("_target_"), str):
        yield path, values
    for key, value in values.items():
        yield from _targets(value, f"{path}.{key}" if path else str(key))


def _check_node(path: str, node: Mapping[str, Any], written: Any) -> None:
    built = _locate(node["_target_"])
    parameters, hints = _signature(built)
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key, value in node.items():
        if not isinstance(key, str) or key.startswith("_"):
            continue
        setting = _as_set(f"{path}.{key}", written)
        if key not in parameters:
            if takes_all or path in NODES_WITH_FURTHER_KEYS:
                continue
            close = difflib.get_close_matches(key, list(parameters), n=1)
            hint = f"did you mean {path}.{close[0]}?" if close else f"it takes {', '.join(parameters)}"
            raise UserError(f"{node['_target_'].rpartition('.')[2]} takes no {setting}: {hint}")
        hint = OWN_TYPES.get(setting, hints.get(key, Any))
        if not _allows(hint, value):
            raise UserError(f"{setting}={_show(value)} is not allowed: give {_describe(hint)}")


def parameters_of(target: str) -> Collection[str]:
    """Return the names that the constructor of a class takes; none where there is no such class."""
    try:
        return _signature(_locate(target))[0].keys()
    except (UserError, ImportError):
        return ()


def _locate(target: str) -> Callable[..., Any]:
    """Import what a ``_target_`` names.

    Raises:
        UserError: there is no such thing.
    """
    module, _, name = target.rpartition(".")
    try:
        built: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return built
    except ModuleNotFoundError as error:
        if error.name and not target.startswith(error.name):
            raise  # a package that is not installed; whoever builds the part says which extra brings it
        raise UserError(f"_target_={target} is not there: no module {error.name}") from error
    except (AttributeError, ValueError) as error:
        raise UserError(f"_target_={target} is not there: {error}") from error


def _signature(built: Callable[..., Any]) -> tuple[Mapping[str, inspect.Parameter], dict[str, Any]]:
    """Return the parameters of a class or function, and the types of those that have one."""
    try:
        parameters = dict(inspect.signature(built).parameters)
        hints = typing.get_type_hints(built.__init__ if inspect.isclass(built) else built)
    except (NameError, TypeError, ValueError):  # types that are imported for type checkers alone
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}, {}
    return parameters, hints


def _as_set(path: str, written: Any) -> str:
    """Return the setting behind a value that is a copy, as ``data.batch_size`` is behind the data module's."""
    node, parts = written, path.split(".")
    for place, part in enumerate(parts):
        if isinstance(node, str) and (found := REFERENCE.fullmatch(node)):
            return _as_set(".".join([found[1], *parts[place:]]), written)
        if isinstance(node, list) and part.isdigit():
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            return path
    found = REFERENCE.fullmatch(node) if isinstance(node, str) else None
    return _as_set(found[1], written) if found else path


def _allows(hint: Any, value: Any) -> bool:
    """Say whether a plain value fits a type; what no YAML can hold is left to whoever builds it."""
    if isinstance(value, Mapping) and "_target_" in value:
        return True
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_allows(argument, value) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if hint is None or hint is type(None):
        return value is None
    if hint is Number:  # as torchvision's transforms say it
        return _is_plain(float, value)
    if hint in PLAIN:
        return _is_plain(hint, value)
    if hint is Path:
        return isinstance(value, str)
    if origin in (list, tuple, Sequence, Collection):
        return isinstance(value, list) and _fits_items(origin, arguments, value)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and (not arguments or all(_allows(arguments[1], v) for v in value.values()))
    # A class of which YAML has no values gets one that is built from a node, and never a number or a text.
    return not (inspect.isclass(hint) and hint not in (Any, object) and isinstance(value, PLAIN))


def _is_plain(hint: type, value: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _fits_items(origin: Any, arguments: tuple[Any, ...], values: list[Any]) -> bool:
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return len(values) == len(arguments) and all(map(_allows, arguments, values))
    return not arguments or all(_allows(arguments[0], value) for value in values)


def _describe(hint: Any) -> str:
    """Say in words which values a type allows."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        # A class of which YAML has no values, such as a tensor, is nothing that a user could give.
        allowed = [argument for argument in arguments if argument in WORDS or typing.get_origin(argument)]
        return ", or ".join(dict.fromkeys(map(_describe, allowed)))
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return f"[{', '.join(map(_describe, arguments))}]"
    if origin in (list, tuple, Sequence, Collection):
        return f"a list of which each is {_describe(arguments[0])}" if arguments else "a list"
    if origin in (dict, Mapping):
        return f"a mapping in which each value is {_describe(arguments[1])}" if arguments else "a mapping"
    return WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def _show(value: Any) -> str:
    return str(value).replace(" ", "") if isinstance(value, list) else str(value)
