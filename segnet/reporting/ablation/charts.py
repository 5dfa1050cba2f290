"""The charts of an experiment, as plain data and layouts for Plotly.

A colour is written ``var(--name)`` or ``var(--name)/opacity``: the page puts in what its light or dark style says. A
trace's ``meta`` is the arm that it belongs to, so that the page can bring out one arm in all charts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from segnet.reporting.ablation.text import COST_NAMES

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star", "pentagon", "hexagon")
COLOURS = 8
DASHES = ("solid", "dash", "dot")
Chart = dict[str, Any]
Results = Mapping[str, Any]


def arm_style(place: int) -> dict[str, str]:
    """Return colour, symbol and dash of the arm at a place of the plan: no two arms share all three."""
    return {
        "colour": f"var(--arm-{place % COLOURS})",
        "symbol": SYMBOLS[place % len(SYMBOLS)],
        "dash": DASHES[place // COLOURS % len(DASHES)],
    }


def _chart(key: str, label: str, views: list[dict[str, Any]], height: int = 380) -> Chart:
    return {"key": key, "label": label, "views": views, "height": height}


def _styled(arms: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    return [(arm, arm_style(place)) for place, arm in enumerate(arms)]


def pareto(results: Results, kind: str) -> Chart | None:
    """Chart mIoU against each cost: the mean of each arm with its interval, every seed, and the Pareto front."""
    variant = results["variants"][kind]
    views = [
        _pareto_view(variant, cost, front)
        for cost, front in variant["front"].items()
        if cost != "index_bytes" and front
    ]
    return _chart("pareto", "mIoU against cost", views, 420) if views else None


def _pareto_view(variant: Results, cost: str, front: list[str]) -> dict[str, Any]:
    arms = variant["arms"]
    name, show = COST_NAMES[cost]
    score = {arm: one["scores"].get("miou") for arm, one in arms.items()}
    line = {
        "x": [arms[arm]["costs"][cost] for arm in front],
        "y": [score[arm]["mean"] for arm in front],
        "mode": "lines",
        "line": {"shape": "hv", "color": "var(--faint)", "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
        "meta": "",
    }
    data = [line]
    for arm, style in _styled(list(arms)):
        spent = arms[arm]["costs"][cost]
        if spent is None or not score[arm]:
            continue
        data += _pareto_arm(arm, style, spent, score[arm], show(spent))
    layout = {"xaxis": {"title": {"text": name}, "ticksuffix": _unit(cost), "rangemode": "normal"}}
    if cost.endswith("_bytes"):
        layout["xaxis"] |= {"tickformat": ".3s"}
    return {"name": name, "data": data, "layout": layout | {"yaxis": {"title": {"text": "mIoU"}}}}


def _pareto_arm(arm: str, style: dict[str, str], spent: float, score: Results, shown: str) -> list[dict[str, Any]]:
    low, high = score["interval"]
    values = list(score["values"].values())
    seeds = {
        "x": [spent] * len(values),
        "y": values,
        "text": [f"seed {seed}" for seed in score["values"]],
        "mode": "markers",
        "marker": {"color": f"{style['colour']}/0.45", "size": 6, "symbol": "circle"},
        "hovertemplate": f"{escape(arm)}, %{{text}}: %{{y:.2f}}<extra></extra>",
        "meta": arm,
    }
    mean = {
        "x": [spent],
        "y": [score["mean"]],
        "mode": "markers+text",
        "text": [escape(arm)],
        "textposition": "middle right",
        "textfont": {"color": "var(--text)"},
        "cliponaxis": False,
        "marker": {"color": style["colour"], "size": 13, "symbol": style["symbol"], "line": _RIM},
        "hovertemplate": f"{escape(arm)}<br>mIoU %{{y:.2f}}<br>{shown}<extra></extra>",
        "meta": arm,
    }
    if low is not None and high is not None:
        mean["error_y"] = {
            "type": "data",
            "array": [high - score["mean"]],
            "arrayminus": [score["mean"] - low],
            "color": style["colour"],
            "thickness": 1.5,
            "width": 0,
        }
    return [seeds, mean]


_RIM = {"color": "var(--surface)", "width": 1.5}


def _unit(cost: str) -> str:
    return " ms" if cost.endswith("_ms") else "B" if cost.endswith("_bytes") else ""


def class_differences(results: Results, kind: str) -> Chart | None:
    """Chart how far each arm's IoU of each class is from the baseline's, with intervals."""
    variant = results["variants"][kind]
    classes = {name: found for name, found in variant["classes"].items() if found}
    if not classes:
        return None
    arms = [one["arm"] for one in next(iter(classes.values()))]
    styles = dict(_styled(list(variant["arms"])))
    data = []
    for number, arm in enumerate(arms):
        found = [next(one for one in of_class if one["arm"] == arm) for of_class in classes.values()]
        offset = (number - (len(arms) - 1) / 2) * min(0.2, 0.72 / max(1, len(arms)))
        data.append(_difference_trace(arm, styles[arm], list(classes), found, offset))
    layout = {
        "xaxis": {"title": {"text": f"difference from {results['baseline']}, points of IoU"}, "zeroline": True},
        "yaxis": {
            "tickvals": list(range(len(classes))),
            "ticktext": [escape(name) for name in classes],
            "range": [len(classes) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
        },
        "hovermode": "closest",
    }
    height = 110 + len(classes) * max(34, 13 * len(arms))
    return _chart("classes", "Differences by class", [{"name": "IoU", "data": data, "layout": layout}], height)


def _difference_trace(
    arm: str, style: dict[str, str], classes: list[str], found: list[Results], offset: float
) -> dict[str, Any]:
    ends = [one["interval"] if None not in one["interval"] else [one["difference"]] * 2 for one in found]
    return {
        "name": escape(arm),
        "x": [one["difference"] for one in found],
        "y": [place + offset for place in range(len(found))],
        "mode": "markers",
        "marker": {"color": style["colour"], "symbol": style["symbol"], "size": 9, "line": _RIM},
        "error_x": {
            "type": "data",
            "array": [high - one["difference"] for (_, high), one in zip(ends, found, strict=True)],
            "arrayminus": [one["difference"] - low for (low, _), one in zip(ends, found, strict=True)],
            "color": style["colour"],
            "thickness": 1.5,
            "width": 0,
        },
        "customdata": [
            [escape(name), *(f"{end:+.1f}" for end in pair)] for name, pair in zip(classes, ends, strict=True)
        ],
        "hovertemplate": (
            f"{escape(arm)}, %{{customdata[0]}}: %{{x:+.1f}} [%{{customdata[1]}}, %{{customdata[2]}}]<extra></extra>"
        ),
        "meta": arm,
    }


def learning(results: Results, kind: str) -> Chart | None:
    """Chart the epochs: the mean over the seeds, and a band from the lowest to the highest."""
    arms = results["variants"][kind]["arms"]
    views = []
    for column, name in (("val/miou", "validation mIoU"), ("val/loss", "validation loss"), ("train/loss", "training loss")):
        curves = {arm: (one["learning"]["epoch"], one["learning"][column]) for arm, one in arms.items() if column in one["learning"]}
        if curves:
            views.append(_band_view(name, list(arms), curves, "epoch", name))
    return _chart("learning", "Learning curves", views) if views else None


def trimap(results: Results, kind: str) -> Chart | None:
    """Chart mIoU in bands around the boundaries against the width of the band."""
    arms = results["variants"][kind]["arms"]
    curves = {arm: (one["trimap"]["width"], one["trimap"]["miou"]) for arm, one in arms.items() if one["trimap"]}
    if not curves:
        return None
    view = _band_view("mIoU", list(arms), curves, "half the width of the band, pixels", "mIoU in the band")
    widths = next(iter(curves.values()))[0]
    view["layout"]["xaxis"] |= {"type": "log", "tickvals": widths, "ticktext": [str(width) for width in widths]}
    return _chart("trimap", "mIoU near boundaries", [view])


def _band_view(
    name: str, arms: list[str], curves: Mapping[str, tuple[list, Results]], x_title: str, y_title: str
) -> dict[str, Any]:
    data = []
    for arm, style in _styled(arms):
        if arm in curves:
            x, band = curves[arm]
            data += band_traces(arm, x, band, style)
    layout = {"xaxis": {"title": {"text": x_title}}, "yaxis": {"title": {"text": y_title}}, "hovermode": "x unified"}
    return {"name": name, "data": data, "layout": layout}


def band_traces(arm: str, x: list, band: Results, style: dict[str, str], name: str | None = None) -> list[dict[str, Any]]:
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
        axis = {"title": {"text": "output stride"}, "type": "log", "tickvals": strides, "ticktext": list(map(str, strides))}
        layout = {"xaxis": axis, "yaxis": {"title": {"text": f"{title} of the label itself"}}, "showlegend": True}
        views.append({"name": title, "data": data, "layout": layout | {"hovermode": "x unified"}})
    return _chart("ceiling", "What the label itself reaches", views, 420)


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
        layout = {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": "weight"}}, "showlegend": True}
        views.append({"name": arm, "data": data, "layout": layout})
    return _chart("fusion", "Fusion weights", views, 420) if views else None


def interaction(results: Results, kind: str) -> Chart | None:
    """Chart mIoU of two factors: the levels of the first along the axis, a line for each level of the second."""
    if len(results["factors"]) != 2:
        return None
    (first, levels), (second, others) = results["factors"].items()
    arms = results["variants"][kind]["arms"].values()
    by_levels = {(one["levels"][first], one["levels"][second]): one["scores"].get("miou") for one in arms}
    data = []
    for number, (other, style) in enumerate(_styled(others)):
        shown = [(place, by_levels.get((level, other))) for place, level in enumerate(levels)]
        shown = [(place, score) for place, score in shown if score]
        offset = 0.05 * (number - (len(others) - 1) / 2)
        ends = [score["interval"] if None not in score["interval"] else [score["mean"]] * 2 for _, score in shown]
        data.append(
            {
                "name": escape(other),
                "x": [place + offset for place, _ in shown],
                "y": [score["mean"] for _, score in shown],
                "mode": "lines+markers",
                "line": {"color": style["colour"], "width": 2, "dash": style["dash"]},
                "marker": {"symbol": style["symbol"], "size": 10, "line": _RIM},
                "error_y": {
                    "type": "data",
                    "array": [high - score["mean"] for (_, high), (_, score) in zip(ends, shown, strict=True)],
                    "arrayminus": [score["mean"] - low for (low, _), (_, score) in zip(ends, shown, strict=True)],
                    "color": style["colour"],
                    "thickness": 1.5,
                    "width": 0,
                },
                "hovertemplate": f"{escape(other)}: %{{y:.2f}}<extra></extra>",
                "meta": "",
            }
        )
    axis = {
        "title": {"text": escape(first)},
        "tickvals": list(range(len(levels))),
        "ticktext": [escape(level) for level in levels],
        "zeroline": False,
    }
    legend = {"title": {"text": escape(second)}}
    layout = {"xaxis": axis, "yaxis": {"title": {"text": "mIoU"}}, "showlegend": True, "legend": legend}
    return _chart("interaction", f"{first} and {second}", [{"name": "mIoU", "data": data, "layout": layout}], 420)


def matched(results: Results) -> Chart | None:
    """Chart each arm as it is and matched in cost, joined by a line."""
    variants = results["variants"]
    if "matched" not in variants:
        return None
    arms = list(variants["as_is"]["arms"])
    data = []
    for arm, style in _styled(arms):
        for kind, filled in (("as_is", False), ("matched", True)):
            score = variants[kind]["arms"][arm]["scores"].get("miou")
            if not score:
                continue
            ends = score["interval"] if None not in score["interval"] else [score["mean"]] * 2
            data.append(
                {
                    "x": [score["mean"]],
                    "y": [arms.index(arm) + (0.14 if filled else -0.14)],
                    "mode": "markers",
                    "marker": {
                        "symbol": style["symbol"] + ("" if filled else "-open"),
                        "color": style["colour"],
                        "size": 11,
                        "line": {"color": style["colour"], "width": 2},
                    },
                    "error_x": {
                        "type": "data",
                        "array": [ends[1] - score["mean"]],
                        "arrayminus": [score["mean"] - ends[0]],
                        "color": style["colour"],
                        "thickness": 1.5,
                        "width": 0,
                    },
                    "hovertemplate": f"{escape(arm)}, {kind.replace('_', ' ')}: %{{x:.2f}}<extra></extra>",
                    "meta": arm,
                }
            )
    axis = {
        "tickvals": list(range(len(arms))),
        "ticktext": [escape(arm) for arm in arms],
        "range": [len(arms) - 0.5, -0.5],
        "zeroline": False,
        "showgrid": False,
    }
    layout = {"xaxis": {"title": {"text": "mIoU: open as is, filled matched"}}, "yaxis": axis}
    return _chart("matched", "As is and matched", [{"name": "mIoU", "data": data, "layout": layout}], 110 + 56 * len(arms))


def escape(text: str) -> str:
    """Keep a name from being read as the markup that Plotly knows."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "% {")
