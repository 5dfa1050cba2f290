"""The charts that compare arms, as plain data and layouts for Plotly."""

from segnet.ablation.report.chart_parts import ArmStyle, error_bars, styled
from segnet.ablation.report.costs import COSTS, cost_of, same_costs
from segnet.ablation.report.label_places import label_places
from segnet.ablation.report.text import interval
from segnet.ablation.results.records import ComparisonResult, Results, ScoreResult, VariantResult
from segnet.pages.charts import RIM, Chart, PlotlyValues, View, escape, named_axis


def pareto(results: Results, kind: str) -> Chart | None:
    """Chart the primary measure against each cost: mean and interval of each arm, every seed, and the Pareto front."""
    variant = results["variants"][kind]
    same = same_costs(variant)
    views = [
        _pareto_view(variant, cost, front, results["measures"][0]["name"])
        for cost, front in variant["front"].items()
        if cost != "index_bytes" and front and cost not in same
    ]
    return (
        {"key": "pareto", "label": f"{results['measures'][0]['name']} against cost", "views": views, "height": 420}
        if views
        else None
    )


def _pareto_view(variant: VariantResult, cost: str, front: list[str], measure: str) -> View:
    scores = {arm: result["scores"].get(variant["primary"]) for arm, result in variant["arms"].items()}
    costs = {arm: cost_of(result, cost) for arm, result in variant["arms"].items()}
    line = {
        "x": [costs[arm] for arm in front],
        "y": [score["mean"] for arm in front if (score := scores[arm])],
        "mode": "lines",
        "line": {"shape": "hv", "color": "var(--faint)", "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
        "meta": "",
    }
    data = [line]
    found = {arm: (spent, score) for arm, score in scores.items() if score and (spent := costs[arm]) is not None}
    ends = [end for _, score in found.values() for end in (*score["interval"], *score["values"].values())]
    shown = [end for end in ends if end is not None]
    points = {arm: (spent, score["mean"] or 0.0) for arm, (spent, score) in found.items()}
    places = label_places(points, min(shown, default=0.0), max(shown, default=0.0))
    for arm, style in styled(list(variant["arms"])):
        if arm in found:
            spent, score = found[arm]
            data += _pareto_arm(arm, style, spent, score, COSTS[cost].show(spent), places.get(arm))
    axis: PlotlyValues = {"title": {"text": COSTS[cost].name}, "ticksuffix": _unit(cost), "rangemode": "normal"}
    if cost.endswith("_bytes"):
        axis |= {"tickformat": ".3s"}
    return {"name": COSTS[cost].name, "data": data, "layout": {"xaxis": axis, "yaxis": {"title": {"text": measure}}}}


def _pareto_arm(
    arm: str, style: ArmStyle, spent: float, score: ScoreResult, shown: str, place: str | None
) -> list[PlotlyValues]:
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
        "mode": "markers+text" if place else "markers",
        "text": [escape(arm)],
        "textposition": place or "top right",
        "textfont": {"color": "var(--text)"},
        "cliponaxis": False,
        "marker": {"color": style["colour"], "size": 14, "symbol": style["symbol"], "line": RIM},
        "hovertemplate": f"{escape(arm)}<br>%{{y:.2f}}<br>{shown}<extra></extra>",
        "error_y": error_bars([score["mean"]], [score["interval"]], style["colour"]),
        "meta": arm,
    }
    return [seeds, mean]


def _unit(cost: str) -> str:
    return " ms" if cost.endswith("_ms") else "B" if cost.endswith("_bytes") else ""


def class_differences(results: Results, kind: str) -> Chart | None:
    """Chart how far each arm's IoU of each class is from the baseline's, with intervals."""
    variant = results["variants"][kind]
    classes = {name: comparisons for name, comparisons in variant["classes"].items() if comparisons}
    if not classes:
        return None
    arms = [comparison["arm"] for comparison in next(iter(classes.values()))]
    styles = dict(styled(list(variant["arms"])))
    data = []
    for number, arm in enumerate(arms):
        of_arm = [next(c for c in comparisons if c["arm"] == arm) for comparisons in classes.values()]
        offset = (number - (len(arms) - 1) / 2) * min(0.2, 0.72 / max(1, len(arms)))
        data.append(_difference_trace(arm, styles[arm], list(classes), of_arm, offset))
    layout = {
        "xaxis": {"title": {"text": f"difference from {results['baseline']}, points of IoU"}, "zeroline": True},
        "yaxis": named_axis(list(classes), downwards=True),
        "hovermode": "closest",
    }
    views: list[View] = [{"name": "IoU", "data": data, "layout": layout}]
    height = 110 + len(classes) * max(34, 13 * len(arms))
    return {"key": "classes", "label": "Differences by class", "views": views, "height": height}


def _difference_trace(
    arm: str, style: ArmStyle, classes: list[str], comparisons: list[ComparisonResult], offset: float
) -> PlotlyValues:
    differences = [comparison["difference"] for comparison in comparisons]
    intervals = [comparison["interval"] for comparison in comparisons]
    return {
        "name": escape(arm),
        "x": differences,
        "y": [place + offset for place in range(len(comparisons))],
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
    """Chart the primary measure of two factors: the first along the axis, a line for each level of the second."""
    if len(results["factors"]) != 2:
        return None
    (first, first_levels), (second, second_levels) = results["factors"].items()
    arms = results["variants"][kind]["arms"].values()
    by_levels = {(arm["levels"][first], arm["levels"][second]): arm["scores"].get(results["primary"]) for arm in arms}
    name = results["measures"][0]["name"]
    data = []
    for number, (second_level, style) in enumerate(styled(second_levels)):
        along = [(place, by_levels.get((level, second_level))) for place, level in enumerate(first_levels)]
        scores = {place: score for place, score in along if score}
        means = [score["mean"] for score in scores.values()]
        offset = 0.05 * (number - (len(second_levels) - 1) / 2)
        data.append(
            {
                "name": escape(second_level),
                "x": [place + offset for place in scores],
                "y": means,
                "mode": "lines+markers",
                "line": {"color": style["colour"], "width": 2, "dash": style["dash"]},
                "marker": {"symbol": style["symbol"], "size": 10, "line": RIM},
                "error_y": error_bars(means, [score["interval"] for score in scores.values()], style["colour"]),
                "hovertemplate": f"{escape(second_level)}: %{{y:.2f}}<extra></extra>",
                "meta": "",
            }
        )
    axis = {"title": {"text": escape(first)}, **named_axis(first_levels)}
    legend = {"title": {"text": escape(second)}}
    layout = {"xaxis": axis, "yaxis": {"title": {"text": name}}, "showlegend": True, "legend": legend}
    views: list[View] = [{"name": name, "data": data, "layout": layout}]
    return {"key": "interaction", "label": f"{first} and {second}", "views": views, "height": 420}


def matched(results: Results) -> Chart | None:
    """Chart each arm as it is, an open marker, and matched in cost, a filled one."""
    variants = results["variants"]
    if "matched" not in variants:
        return None
    arms = list(variants["as_is"]["arms"])
    data = []
    for place, (arm, style) in enumerate(styled(arms)):
        for kind, symbol, offset in (("as_is", f"{style['symbol']}-open", -0.14), ("matched", style["symbol"], 0.14)):
            score = variants[kind]["arms"][arm]["scores"].get(results["primary"])
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
    name = results["measures"][0]["name"]
    title = {"text": f"{name}: open as is, filled matched"}
    axes = {"xaxis": {"title": title}, "yaxis": named_axis(arms, downwards=True)}
    views: list[View] = [{"name": name, "data": data, "layout": axes}]
    return {"key": "matched", "label": "As is and matched", "views": views, "height": 110 + 56 * len(arms)}
