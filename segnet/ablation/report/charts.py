"""The charts that compare arms, as plain data and layouts for Plotly."""

from typing import Any

from segnet.ablation.report.chart_parts import (
    RIM,
    Chart,
    Results,
    error_bars,
    escape,
    make_chart,
    named_axis,
    styled,
)
from segnet.ablation.report.text import COST_NAMES, interval


def pareto(results: Results, kind: str) -> Chart | None:
    """Chart mIoU against each cost: the mean of each arm with its interval, every seed, and the Pareto front."""
    variant = results["variants"][kind]
    same = same_costs(variant)
    views = [
        _pareto_view(variant, cost, front)
        for cost, front in variant["front"].items()
        if cost != "index_bytes" and front and cost not in same
    ]
    return make_chart("pareto", "mIoU against cost", views, 420) if views else None


def same_costs(variant: Results) -> list[str]:
    """Return the costs in which the arms do not differ."""
    costs = {cost: [one["costs"][cost] for one in variant["arms"].values()] for cost in COST_NAMES}
    return [cost for cost, values in costs.items() if values[0] is not None and len(set(values)) == 1 and values[0]]


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
    for arm, style in styled(list(arms)):
        spent = arms[arm]["costs"][cost]
        if spent is None or not score[arm]:
            continue
        data += _pareto_arm(arm, style, spent, score[arm], show(spent))
    layout = {"xaxis": {"title": {"text": name}, "ticksuffix": _unit(cost), "rangemode": "normal"}}
    if cost.endswith("_bytes"):
        layout["xaxis"] |= {"tickformat": ".3s"}
    return {"name": name, "data": data, "layout": layout | {"yaxis": {"title": {"text": "mIoU"}}}}


def _pareto_arm(arm: str, style: dict[str, str], spent: float, score: Results, shown: str) -> list[dict[str, Any]]:
    values = list(score["values"].values())
    seeds = {
        "x": [spent] * len(values),
        "y": values,
        "text": [f"seed {seed}" for seed in score["values"]],
        "mode": "markers",
        "marker": {"color": style["colour"], "size": 7, "symbol": "circle", "line": RIM},
        "hovertemplate": f"{escape(arm)}, %{{text}}: %{{y:.2f}}<extra></extra>",
        "meta": arm,
    }
    mean = {
        "x": [spent],
        "y": [score["mean"]],
        "mode": "markers+text",
        "text": [escape(arm)],
        "textposition": "top right",
        "textfont": {"color": "var(--text)"},
        "cliponaxis": False,
        "marker": {"color": style["colour"], "size": 14, "symbol": style["symbol"], "line": RIM},
        "hovertemplate": f"{escape(arm)}<br>mIoU %{{y:.2f}}<br>{shown}<extra></extra>",
        "error_y": error_bars([score["mean"]], [score["interval"]], style["colour"]),
        "meta": arm,
    }
    return [seeds, mean]


def _unit(cost: str) -> str:
    return " ms" if cost.endswith("_ms") else "B" if cost.endswith("_bytes") else ""


def class_differences(results: Results, kind: str) -> Chart | None:
    """Chart how far each arm's IoU of each class is from the baseline's, with intervals."""
    variant = results["variants"][kind]
    classes = {name: found for name, found in variant["classes"].items() if found}
    if not classes:
        return None
    arms = [one["arm"] for one in next(iter(classes.values()))]
    styles = dict(styled(list(variant["arms"])))
    data = []
    for number, arm in enumerate(arms):
        found = [next(one for one in of_class if one["arm"] == arm) for of_class in classes.values()]
        offset = (number - (len(arms) - 1) / 2) * min(0.2, 0.72 / max(1, len(arms)))
        data.append(_difference_trace(arm, styles[arm], list(classes), found, offset))
    layout = {
        "xaxis": {"title": {"text": f"difference from {results['baseline']}, points of IoU"}, "zeroline": True},
        "yaxis": named_axis(list(classes), downwards=True),
        "hovermode": "closest",
    }
    height = 110 + len(classes) * max(34, 13 * len(arms))
    return make_chart("classes", "Differences by class", [{"name": "IoU", "data": data, "layout": layout}], height)


def _difference_trace(
    arm: str, style: dict[str, str], classes: list[str], found: list[Results], offset: float
) -> dict[str, Any]:
    differences, intervals = [one["difference"] for one in found], [one["interval"] for one in found]
    return {
        "name": escape(arm),
        "x": differences,
        "y": [place + offset for place in range(len(found))],
        "mode": "markers",
        "marker": {"color": style["colour"], "symbol": style["symbol"], "size": 9, "line": RIM},
        "error_x": error_bars(differences, intervals, style["colour"]),
        "customdata": [
            [escape(name), interval(ends, signed=True)] for name, ends in zip(classes, intervals, strict=True)
        ],
        "hovertemplate": f"{escape(arm)}, %{{customdata[0]}}: %{{x:+.1f}} %{{customdata[1]}}<extra></extra>",
        "meta": arm,
    }


def interaction(results: Results, kind: str) -> Chart | None:
    """Chart mIoU of two factors: the levels of the first along the axis, a line for each level of the second."""
    if len(results["factors"]) != 2:
        return None
    (first, levels), (second, others) = results["factors"].items()
    arms = results["variants"][kind]["arms"].values()
    by_levels = {(one["levels"][first], one["levels"][second]): one["scores"].get("miou") for one in arms}
    data = []
    for number, (other, style) in enumerate(styled(others)):
        found = [(place, by_levels.get((level, other))) for place, level in enumerate(levels)]
        scores = {place: score for place, score in found if score}
        means = [score["mean"] for score in scores.values()]
        offset = 0.05 * (number - (len(others) - 1) / 2)
        data.append(
            {
                "name": escape(other),
                "x": [place + offset for place in scores],
                "y": means,
                "mode": "lines+markers",
                "line": {"color": style["colour"], "width": 2, "dash": style["dash"]},
                "marker": {"symbol": style["symbol"], "size": 10, "line": RIM},
                "error_y": error_bars(means, [score["interval"] for score in scores.values()], style["colour"]),
                "hovertemplate": f"{escape(other)}: %{{y:.2f}}<extra></extra>",
                "meta": "",
            }
        )
    axis = {"title": {"text": escape(first)}, **named_axis(levels)}
    legend = {"title": {"text": escape(second)}}
    layout = {"xaxis": axis, "yaxis": {"title": {"text": "mIoU"}}, "showlegend": True, "legend": legend}
    return make_chart("interaction", f"{first} and {second}", [{"name": "mIoU", "data": data, "layout": layout}], 420)


def matched(results: Results) -> Chart | None:
    """Chart each arm as it is, an open marker, and matched in cost, a filled one."""
    variants = results["variants"]
    if "matched" not in variants:
        return None
    arms = list(variants["as_is"]["arms"])
    data = []
    for place, (arm, style) in enumerate(styled(arms)):
        for kind, symbol, offset in (("as_is", f"{style['symbol']}-open", -0.14), ("matched", style["symbol"], 0.14)):
            score = variants[kind]["arms"][arm]["scores"].get("miou")
            if not score:
                continue
            line = {"color": style["colour"], "width": 2}
            data.append(
                {
                    "x": [score["mean"]],
                    "y": [place + offset],
                    "mode": "markers",
                    "marker": {"symbol": symbol, "color": style["colour"], "size": 11, "line": line},
                    "error_x": error_bars([score["mean"]], [score["interval"]], style["colour"]),
                    "hovertemplate": f"{escape(arm)}, {kind.replace('_', ' ')}: %{{x:.2f}}<extra></extra>",
                    "meta": arm,
                }
            )
    axes = {"xaxis": {"title": {"text": "mIoU: open as is, filled matched"}}, "yaxis": named_axis(arms, downwards=True)}
    height = 110 + 56 * len(arms)
    return make_chart("matched", "As is and matched", [{"name": "mIoU", "data": data, "layout": axes}], height)
