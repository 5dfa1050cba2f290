"""The charts of curves over epochs, distances and strides, as plain data and layouts for Plotly."""

from collections.abc import Mapping, Sequence
from typing import Any

from segnet.ablation.report.chart_parts import Chart, Results, arm_style, escape, make_chart, styled


def learning(results: Results, kind: str) -> Chart | None:
    """Chart the epochs: the mean over the seeds, and a band from the lowest to the highest."""
    arms = results["variants"][kind]["arms"]
    views = []
    for column, name in (
        ("val/miou", "validation mIoU"),
        ("val/loss", "validation loss"),
        ("train/loss", "training loss"),
    ):
        curves = {
            arm: (one["learning"]["epoch"], one["learning"][column])
            for arm, one in arms.items()
            if column in one["learning"]
        }
        if curves:
            view = _band_view(name, list(arms), curves, "epoch", name)
            view["layout"]["xaxis"] |= _epoch_ticks(max(len(epochs) for epochs, _ in curves.values()))
            views.append(view)
    return make_chart("learning", "Learning curves", views) if views else None


def _epoch_ticks(epochs: int) -> dict[str, Any]:
    """Tick whole epochs, also where there are few."""
    return {"dtick": 1} if epochs <= 12 else {}


def trimap(results: Results, kind: str) -> Chart | None:
    """Chart mIoU in bands around the boundaries against the width of the band."""
    arms = results["variants"][kind]["arms"]
    curves = {arm: (one["trimap"]["width"], one["trimap"]["miou"]) for arm, one in arms.items() if one["trimap"]}
    if not curves:
        return None
    view = _band_view("mIoU", list(arms), curves, "half the width of the band, pixels", "mIoU in the band")
    widths = next(iter(curves.values()))[0]
    view["layout"]["xaxis"] |= {"type": "log", "tickvals": widths, "ticktext": [str(width) for width in widths]}
    return make_chart("trimap", "mIoU near boundaries", [view])


def _band_view(
    name: str, arms: list[str], curves: Mapping[str, tuple[list, Results]], x_title: str, y_title: str
) -> dict[str, Any]:
    data = []
    for arm, style in styled(arms):
        if arm in curves:
            x, band = curves[arm]
            data += band_traces(arm, x, band, style)
    layout = {"xaxis": {"title": {"text": x_title}}, "yaxis": {"title": {"text": y_title}}, "hovermode": "x unified"}
    return {"name": name, "data": data, "layout": layout}


def band_traces(
    arm: str, x: list, band: Results, style: dict[str, str], name: str | None = None
) -> list[dict[str, Any]]:
    """Draw a mean line over the band between the lowest and the highest seed."""
    edge = {
        "x": [*x, *reversed(x)],
        "y": [*band["high"], *reversed(band["low"])],
        "fill": "toself",
        "fillcolor": f"{style['colour']}/0.15",
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "meta": arm,
    }
    line = {
        "name": escape(name or arm),
        "x": x,
        "y": band["mean"],
        "mode": "lines+markers" if len(x) <= 20 else "lines",
        "line": {"color": style["colour"], "width": 2, "dash": style["dash"]},
        "marker": {"symbol": style["symbol"], "size": 7},
        "hovertemplate": "%{y:.2f}",
        "meta": arm,
    }
    return [edge, line]


def ceiling(rows: Sequence[Results], arms: Sequence[str]) -> Chart | None:
    """Chart what labels score that were pushed down and up: a line an upsampler, bolder where it is an arm."""
    if not rows:
        return None
    names = list(dict.fromkeys(row["upsampler"] for row in rows))
    views = []
    for key, title in (("miou", "mIoU"), ("boundary_f1", "boundary F1")):
        data = []
        for place, name in enumerate(names):
            base = name.split(" + ")[0]
            style = arm_style(arms.index(base) if base in arms else len(arms) + place)
            of_name = [row for row in rows if row["upsampler"] == name]
            data.append(
                {
                    "name": escape(name),
                    "x": [row["stride"] for row in of_name],
                    "y": [None if row[key] is None else 100 * row[key] for row in of_name],
                    "mode": "lines+markers",
                    "line": {
                        "color": style["colour"] if base in arms else "var(--faint)",
                        "width": 2 if base in arms else 1.25,
                        "dash": "dot" if " + " in name else "solid",
                    },
                    "marker": {"symbol": style["symbol"], "size": 8},
                    "hovertemplate": "%{y:.1f}",
                    "meta": base if base in arms else "",
                }
            )
        strides = sorted({row["stride"] for row in rows})
        axis = {
            "title": {"text": "output stride"},
            "type": "log",
            "tickvals": strides,
            "ticktext": list(map(str, strides)),
        }
        layout = {"xaxis": axis, "yaxis": {"title": {"text": f"{title} of the label itself"}}, "showlegend": True}
        views.append({"name": title, "data": data, "layout": layout | {"hovermode": "x unified"}})
    return make_chart("ceiling", "What the label itself reaches", views, 420)


def fusion(results: Results, kind: str) -> Chart | None:
    """Chart the weights of linear fusions over the epochs, an arm a view."""
    views = []
    for arm, one in results["variants"][kind]["arms"].items():
        if not one["fusion"]:
            continue
        data = []
        for place, (name, band) in enumerate(one["fusion"].items()):
            style = arm_style(1 + place)
            data += band_traces("", list(range(1, len(band["mean"]) + 1)), band, style, name)
        epochs = max(len(band["mean"]) for band in one["fusion"].values())
        axis = {"title": {"text": "epoch"}, **_epoch_ticks(epochs)}
        layout = {"xaxis": axis, "yaxis": {"title": {"text": "weight"}}, "showlegend": True}
        views.append({"name": arm, "data": data, "layout": layout})
    return make_chart("fusion", "Fusion weights", views, 420) if views else None
