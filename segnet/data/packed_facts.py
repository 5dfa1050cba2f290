"""What a packed data set says of itself, in ``packed.json``; reading it needs neither torch nor what reads the chunks.

A packed set is a folder (or an address) with ``packed.json`` and a folder for each split: chunks of samples as litdata
writes them (``chunk-*.bin``), litdata's ``index.json`` of them, ``samples.json`` (names and groups) and ``samples.npz``
(size, checksum and pixels of each class of each sample).
"""

import functools
import json
from pathlib import Path
from typing import Any

from segnet.addresses import is_address
from segnet.errors import UserError

LAYOUT = 1  # of these files; count up when it changes
FACTS, NAMES, ARRAYS, INDEX = "packed.json", "samples.json", "samples.npz", "index.json"
KEYS = ("name", "classes", "ignore_index", "channels", "mean", "std", "recipe", "splits")


def read_facts(root: str | Path | None) -> dict[str, Any]:
    """Read ``packed.json``.

    Args:
        root: the folder of a packed set, or its address.

    Returns:
        ``name``, ``classes`` (names and colours), ``ignore_index``, ``channels``, ``mean``, ``std`` and ``value_range``
        (not in older ones) of the set; its
        ``recipe`` (batch size, scale, augmentation); of each of its ``splits`` the number of samples and the checksums
        of the files beside the chunks.

    Raises:
        UserError: there is no packed set, or it is damaged or of another version.
    """
    if root is None:
        raise UserError("data=packed needs data.root=FOLDER, which segnet-data pack data=... output=FOLDER has written")
    if is_address(root):
        return _parsed(_fetched_text(str(root).rstrip("/")), f"{root}/{FACTS}")
    path = Path(root) / FACTS
    try:
        return _parsed(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(
            f"no packed data set in {Path(root).absolute()} ({FACTS} is missing): name the folder that "
            f"segnet-data pack has written, as data.root=FOLDER"
        ) from error


@functools.cache  # the settings of a config ask for it one by one
def _fetched_text(root: str) -> bytes:
    from segnet.data.fetching import fetched_bytes

    return fetched_bytes(f"{root}/{FACTS}")


@functools.lru_cache(maxsize=8)
def _parsed(text: bytes, place: str) -> dict[str, Any]:
    try:
        facts = json.loads(text)
        layout = facts["layout"]
        missing = [key for key in KEYS if key not in facts]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{place} is damaged ({error}): copy it again, or pack the data set again") from error
    if layout != LAYOUT:
        raise UserError(f"{place} is of version {layout}, and {LAYOUT} is read: pack the data set again")
    # Its values become part of a config, which would call the one and resolve the other.
    if any(word in repr(facts) for word in ("_target_", "${")):
        raise UserError(
            f"{place} names code to run, which no packed set does: do not use it, or pack the data set again"
        )
    if missing:
        raise UserError(f"{place} is damaged (it has no {missing[0]}): copy it again, or pack the data set again")
    return dict(facts)


def packed_setting(root: str | None, key: str, *default: Any) -> Any:
    """Return what a packed set says, for the resolver ``packed`` of configurations.

    Args:
        root: see :func:`read_facts`.
        key: of :func:`read_facts`, or such as ``augmentation.crop`` of the recipe.
        default: what holds where it does not say that: of settings that are newer than some packed sets.

    Raises:
        UserError: see :func:`read_facts`; or it does not say that.
    """
    facts = read_facts(root)
    value: Any = facts if key in facts else facts["recipe"]
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            if default:
                return default[0]
            raise UserError(f"{root}/{FACTS} does not say {key}: pack the data set again, or set data.{key}")
        value = value[part]
    return value
