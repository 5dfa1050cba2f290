"""Configs that older versions wrote, read as the present one writes them."""

import re
from typing import Any

from segnet.run_config import RUN_DIR, with_texts

MOVED_TARGETS = {
    "segnet.models.torchvision_encoder.TorchvisionEncoder": "segnet.models.backbones.TorchvisionEncoder",
    "segnet.models.timm_encoder.TimmEncoder": "segnet.models.backbones.TimmEncoder",
}
"""Where classes lie now that the configs of older runs name elsewhere."""


def to_present_form(values: dict[str, Any]) -> dict[str, Any]:
    """Return a stored config's plain values with the present names, places and paths."""
    return _without_own_paths(_with_module_in_data(_with_moved_targets(values)))


def _without_own_paths(values: dict[str, Any]) -> dict[str, Any]:
    """Put ``${run_dir}`` in place of the folder that a run had when an older version wrote its config."""
    old = re.escape(str(values.get("run_dir", ".")).rstrip("/"))
    if old in (re.escape("."), ""):
        return values
    own = re.compile(rf"^(file:)?{old}(?=/|$)")
    placed: dict[str, Any] = with_texts(values, lambda text: own.sub(lambda found: (found[1] or "") + RUN_DIR, text))
    return placed


def _with_module_in_data(values: dict[str, Any]) -> dict[str, Any]:
    """Put the keys of ``data.module``, which older versions wrote, into ``data`` itself."""
    data = values.get("data", {})
    return {**values, "data": data | data["module"]} if "module" in data else values


def _with_moved_targets(values: Any) -> Any:
    """Put the present name of a class in place of one that an older version wrote."""
    if isinstance(values, dict):
        return {
            key: MOVED_TARGETS.get(str(value), value) if key == "_target_" else _with_moved_targets(value)
            for key, value in values.items()
        }
    return [_with_moved_targets(value) for value in values] if isinstance(values, list) else values
