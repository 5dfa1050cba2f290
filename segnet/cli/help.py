"""What ``--help`` says: examples and groups first, the whole config on request."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segnet.cli.arguments import choices, config_folders
from segnet.config import config_dir, read_yaml
from segnet.errors import UserError

NO_SETTINGS = ("defaults:", "preset:")
"""Blocks of a root config that are none of the user's: what Hydra reads, and what `model=...` proposes."""


def show_help(config_name: str, arguments: Sequence[str]) -> None:
    """Print the help of a command, or with ``--help GROUP`` what each choice of a group is.

    Raises:
        UserError: there is no such group.
    """
    folders = config_folders(arguments)
    rest = [text for text in arguments if not text.startswith("-") and "=" not in text]
    known = _groups(config_name, folders)
    if rest:
        if rest[0] not in known:
            raise UserError(f"there is no group {rest[0]}: choose one of {', '.join(known)}")
        _show_group(rest[0], folders)
        return
    template = read_yaml(config_dir() / f"{config_name}.yaml")["hydra"]["help"]["template"]
    print(template.replace("$$", "$").rstrip())
    print()
    if known:
        print("Groups (GROUP=CHOICE; the default in brackets):")
        width = max(map(len, known))
        for group, default in known.items():
            shown = [f"[{name}]" if name == default else name for name in choices(group, folders)]
            print(f"  {group:{width}}  {' '.join(shown)}")
        print()
    print(_settings(config_name))
    of_groups = "--help GROUP says what each choice is; " if known else ""
    print(
        f"{of_groups}--cfg job prints the whole config, of which any value can be set;\n"
        "--info says where each part comes from; --version; --hydra-help lists Hydra's own options."
    )


def _groups(config_name: str, folders: Sequence[Path]) -> dict[str, Any]:
    """Return the groups in the defaults list of a root config, each with its default."""
    entries = read_yaml(config_dir() / f"{config_name}.yaml").get("defaults", [])
    inherited = [name for name in entries if isinstance(name, str) and (config_dir() / f"{name}.yaml").is_file()]
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    groups = {name: default for name, default in pairs if not name.startswith("override ")}
    for name in inherited:
        groups = _groups(name, folders) | groups
    return {name: default for name, default in groups.items() if choices(name, folders)}


def _settings(config_name: str) -> str:
    """Return the settings at the root of a config, with their comments, as they stand in its file."""
    lines = (config_dir() / f"{config_name}.yaml").read_text(encoding="utf-8").splitlines()
    ends = [number for number, line in enumerate(lines) if line.startswith("hydra:")]
    shown, is_left_out = [], False
    for line in lines[: ends[0] if ends else None]:
        is_left_out = line.startswith(NO_SETTINGS) or (is_left_out and line.startswith((" ", "\t")))
        if not is_left_out and not line.startswith("#"):
            shown.append(f"  {line}".rstrip())
    return "Settings:\n" + re.sub(r"\n{2,}", "\n", "\n".join(shown)).strip("\n") + "\n"


def _show_group(group: str, folders: Sequence[Path]) -> None:
    for name in choices(group, folders):
        path = next(path for folder in reversed(folders) if (path := folder / group / f"{name}.yaml").is_file())
        lines = path.read_text(encoding="utf-8").splitlines()
        comments = []
        for line in lines:
            if not line.startswith("#"):
                break
            if not line.startswith("# @package"):  # for Hydra
                comments.append(line.lstrip("# "))
        sys.stdout.write(f"{group}={name}\n" + "".join(f"    {line}\n" for line in comments))
