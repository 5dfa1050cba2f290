"""The first half of fairness: the configs of all arms differ on the declared axis and nowhere else."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from segnet.ablation.design.records import AxisComparison
from segnet.config import Config, to_values
from segnet.errors import UserError

REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.\[\]]*)\}")
"""A reference to another key, such as ``${upsampler}``; inside a resolver's arguments too."""
MISSING = "(not there)"


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings and lists into ``{"encoder.widths.0": 16, ...}``; empty ones stay values."""
    if isinstance(value, Mapping) and value:
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and value:
        items = [(str(index), item) for index, item in enumerate(value)]
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in items:
        flat |= flatten(item, f"{prefix}.{key}" if prefix else key)
    return flat


def differing_keys(configs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the value of every arm for each key in which not all arms are the same."""
    flat = {name: flatten(config) for name, config in configs.items()}
    keys = dict.fromkeys(key for flat_config in flat.values() for key in flat_config)
    values = {key: {name: flat_config.get(key, MISSING) for name, flat_config in flat.items()} for key in keys}
    return {key: of_arms for key, of_arms in values.items() if not _all_equal(list(of_arms.values()))}


def check_axis(configs: Mapping[str, Config], axis: Sequence[str]) -> AxisComparison:
    """Compare the configs of all arms, with references resolved and as written.

    A differing key must lie at or below a path of ``axis``, or be a copy of such a value: a key that in every arm is
    written as the same reference to it.

    Args:
        configs: the composed config of each arm, by name.
        axis: config paths that may differ.

    Raises:
        UserError: other keys differ; the message lists them. Or no key differs.
    """
    written = {name: to_values(config, resolve=False) for name, config in configs.items()}
    resolved = {name: to_values(config) for name, config in configs.items()}
    differing = differing_keys(resolved)
    if len({repr(sorted(flatten(config).items(), key=lambda item: item[0])) for config in resolved.values()}) == 1:
        raise UserError(f"the arms {', '.join(configs)} are all the same: no value differs at {' or '.join(axis)}")
    written_differently = list(differing_keys(written))
    undeclared, derived = [], {}
    for key in differing:
        if _lies_on(key, axis):
            continue
        source = _source(next(iter(written.values())), key, axis)
        if source is None or _lies_on(key, written_differently):
            undeclared.append(key)
        else:
            derived[key] = source
    if undeclared:
        listed = ", ".join(_describe(key, differing[key]) for key in sorted(_without_copies(undeclared, written)))
        raise UserError(
            f"the arms differ in more than {' and '.join(axis)}, so that the comparison would not be fair: {listed}; "
            f"hold these fixed, or declare them in also_changes"
        )
    on_axis = {key: values for key, values in differing.items() if _lies_on(key, axis)}
    return {"differing": on_axis, "derived": derived}


def _without_copies(keys: Sequence[str], written: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Leave out the keys that in every arm are a copy of another one."""

    def is_copy(key: str) -> bool:
        others = [other for other in keys if other != key]
        return all(_source(config, key, others) is not None for config in written.values())

    return [key for key in keys if not is_copy(key)] or list(keys)


def _describe(key: str, values: dict[str, Any]) -> str:
    distinct: dict[str, str] = {}
    for name, value in values.items():
        distinct.setdefault(str(value), name)
    return f"{key} ({', '.join(f'{value} in {name}' for value, name in distinct.items())})"


def _all_equal(values: list[Any]) -> bool:
    return all(value == values[0] and type(value) is type(values[0]) for value in values[1:])


def _lies_on(key: str, axis: Sequence[str]) -> bool:
    return any(key == path or key.startswith(f"{path}.") for path in axis)


def _source(
    written: Mapping[str, Any], key: str, axis: Sequence[str], seen: frozenset[str] = frozenset()
) -> str | None:
    """Follow the references behind a key up to a path that holds or lies on the axis."""
    node: Any = written
    for part in key.split("."):
        if isinstance(node, str):
            break
        if isinstance(node, list):
            node = node[int(part)] if part.isdigit() and int(part) < len(node) else None
        else:
            node = node.get(part) if isinstance(node, Mapping) else None
        if node is None:
            return None
    if not isinstance(node, str):
        # A container is referred to as a whole: some part of it may come from the axis.
        below = [value for value in flatten(node).values() if isinstance(value, str)]
        references: list[str] = [reference for text in below for reference in REFERENCE.findall(text)]
    else:
        references = REFERENCE.findall(node)
    for reference in references:
        if reference in seen:
            continue
        if _lies_on(reference, axis) or any(path.startswith(f"{reference}.") for path in axis):
            return reference
        source = _source(written, reference, axis, seen | {reference})
        if source is not None:
            return source
    return None
