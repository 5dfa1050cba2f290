"""Pages that hold all they need, and open from the disk."""

import base64
import functools
import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2

from segnet.pages.charts import Chart

SHARED = Path(__file__).parent / "template"


def render(
    templates: Path,
    name: str,
    context: Mapping[str, Any],
    charts: Mapping[str, Chart],
    filters: Mapping[str, Callable[..., str]] | None = None,
) -> str:
    """Render a page; the same arguments give the same page.

    Args:
        templates: folder of the page's own templates; they may import from those of this room.
        name: of the template. It finds the style sheet as ``style``, the script as ``script``, the charts as
            ``charts`` and, for the script, ``chart_data``, and Plotly itself, compressed, as ``plotly``.
        context: what else it needs.
        charts: by key.
        filters: its own filters; ``embed`` is there already.

    Returns:
        HTML, with everything inside.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, SHARED]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"embed": embed, **(filters or {})}
    shared = {
        "charts": charts,
        "chart_data": dict(charts),
        "plotly": _plotly() if charts else "",
        "style": (SHARED / "style.css").read_text(encoding="utf-8"),
        "script": (SHARED / "page.js").read_text(encoding="utf-8"),
    }
    return environment.get_template(name).render({**context, **shared})


def embed(value: Any) -> str:
    """Write JSON that may stand inside a script element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


@functools.cache
def _plotly() -> str:
    """Return Plotly's script, compressed: the page unpacks it when it has been shown."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
