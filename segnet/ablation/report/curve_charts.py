"""The charts of curves over epochs, distances and strides, as plain data and layouts for Plotly."""

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from segnet.ablation.report.chart_parts import ArmStyle, arm_style, styled
from segnet.ablation.results.inspection import CeilingRow
from segnet.ablation.results.records import Band, Results
from segnet.pages.charts import Chart, PlotlyValues, View, escape

HEIGHT, TALL = 380, 420
"""Of charts, pixels."""


def learning(results: Results, kind: str) -> Chart | None:
    """Chart the epochs: the mean over the seeds, and a band from the lowest to the highest."""
    arms = results["variants"][kind]["arms"]
    views = []
    for column, name in (
        ("val/miou", "validation mIoU"),
        ("val/loss", "validation loss"),
        ("train/loss", "training loss"),
    ):
        curves = {}
        for arm, result in arms.items():
            bands = cast(Mapping[str, Band], result["learning"])
            if column in bands:
                curves[arm] = (result["learning"]["epoch"], bands[column])
        if curves:
            view = _band_view(name, list(arms), curves, "epoch", name)
            view["layout"]["xaxis"] |= _epoch_ticks(max(len(epochs) for epochs, _ in curves.values()))
            views.append(view)
    return {"key": "learning", "label": "Learning curves", "views": views, "height": HEIGHT} if views else None


def _epoch_ticks(epochs: int) -> PlotlyValues:
    """Keep ticks off fractions of an epoch where there are few epochs."""
    return {"dtick": 1} if epochs <= 12 else {}


def trimap(results: Results, kind: str) -> Chart | None:
    """Chart mIoU in bands around the boundaries against the width of the band."""
    arms = results["variants"][kind]["arms"]
    curves = {arm: (r["trimap"]["width"], r["trimap"]["miou"]) for arm, r in arms.items() if r["trimap"]}
    if not curves:
        return None
    view = _band_view("mIoU", list(arms), curves, "half the width of the band, pixels", "mIoU in the band")
    widths = next(iter(curves.values()))[0]
    view["layout"]["xaxis"] |= {"type": "log", "tickvals": widths, "ticktext": [str(width) for width in widths]}
    return {"key": "trimap", "label": "mIoU near boundaries", "views": [view], "height": HEIGHT}


def _band_view(
    name: str, arms: list[str], curves: Mapping[str, tuple[list[int], Band]], x_title: str, y_title: str
) -> View:
    data: list[PlotlyValues] = []
    for arm, style in styled(arms):
        if arm in curves:
            x, band = curves[arm]
            data += band_traces(arm, x, band, style)
    layout = {"xaxis": {"title": {"text": x_title}}, "yaxis": {"title": {"text": y_title}}, "hovermode": "x unified"}
    return {"name": name, "data": data, "layout": layout}


def band_traces(arm: str, x: list[int], band: Band, style: ArmStyle, name: str | None = None) -> list[PlotlyValues]:
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


def ceiling(rows: Sequence[CeilingRow], arms: Sequence[str]) -> Chart | None:
    """Chart the scores of labels brought down and up again: a line for each upsampler, bold for the arms."""
    if not rows:
        return None
    names = list(dict.fromkeys(row["upsampler"] for row in rows))
    views: list[View] = []
    keys: tuple[Literal["miou", "boundary_f1"], ...] = ("miou", "boundary_f1")
    for key, title in zip(keys, ("mIoU", "boundary F1"), strict=True):
        data = []
        for place, name in enumerate(names):
            base = name.split(" + ")[0]
            style = arm_style(arms.index(base) if base in arms else len(arms) + place)
            of_name = [row for row in rows if row["upsampler"] == name]
            data.append(
                {
                    "name": escape(name),
                    "x": [row["stride"] for row in of_name],
                    "y": [None if (score := row[key]) is None else 100 * score for row in of_name],
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
    return {"key": "ceiling", "label": "What the label itself reaches", "views": views, "height": TALL}


def fusion(results: Results, kind: str) -> Chart | None:
    """Chart the weights of linear fusions over the epochs, one view for each arm."""
    views: list[View] = []
    for arm, result in results["variants"][kind]["arms"].items():
        if not result["fusion"]:
            continue
        data: list[PlotlyValues] = []
        for place, (name, band) in enumerate(result["fusion"].items()):
            style = arm_style(1 + place)
            data += band_traces("", list(range(1, len(band["mean"]) + 1)), band, style, name)
        epochs = max(len(band["mean"]) for band in result["fusion"].values())
        axis = {"title": {"text": "epoch"}, **_epoch_ticks(epochs)}
        layout = {"xaxis": axis, "yaxis": {"title": {"text": "weight"}}, "showlegend": True}
        views.append({"name": arm, "data": data, "layout": layout})
    return {"key": "fusion", "label": "Fusion weights", "views": views, "height": TALL} if views else None
