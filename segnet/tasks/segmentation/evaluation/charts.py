"""The charts of an evaluation, as plain data and layouts for Plotly."""

from collections.abc import Sequence

import numpy as np

from segnet.metrics.calibration import UNITS
from segnet.pages.charts import RIM, Chart, PlotlyValues, View, escape, named_axis
from segnet.tasks.segmentation.evaluation.collection import Collected

COLOUR = "var(--arm-1)"
FEW_CLASSES = 16
"""Up to so many, numbers fit into the cells of the confusion matrix."""
MANY_CLASSES = 40
"""From so many on, their names do not fit beside it."""
COLOURED_GROUPS = 8


def confusion(matrix: np.ndarray, classes: Sequence[str]) -> Chart:
    """Chart the confusion matrix ``(K, K)``, as shares of each label's pixels and of each prediction's."""
    counts = matrix.astype(float)
    of_label = _shares(counts, counts.sum(1, keepdims=True))
    of_prediction = _shares(counts, counts.sum(0, keepdims=True))
    views = [
        _confusion_view("of each label's pixels", of_label, classes),
        _confusion_view("of each prediction's pixels", of_prediction, classes),
    ]
    height = min(900, 150 + 28 * len(classes))
    return {"key": "confusion", "label": "Confusion matrix", "views": views, "height": height}


def _shares(counts: np.ndarray, totals: np.ndarray) -> list[list[float | None]]:
    shares = np.divide(100 * counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    return [[None if np.isnan(share) else round(float(share), 2) for share in row] for row in shares]


def _confusion_view(name: str, shares: list[list[float | None]], classes: Sequence[str]) -> View:
    names = [escape(name) for name in classes]
    trace: PlotlyValues = {
        "type": "heatmap",
        "z": shares,
        "zmin": 0,
        "zmax": 100,
        # Few percent of a large class are many pixels: the scale rises fast at first.
        "colorscale": [[0, f"{COLOUR}/0"], [0.02, f"{COLOUR}/0.12"], [0.2, f"{COLOUR}/0.45"], [1, COLOUR]],
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "customdata": [[[label, prediction] for prediction in names] for label in names],
        "hovertemplate": f"label %{{customdata[0]}}<br>prediction %{{customdata[1]}}<br>%{{z:.1f}}% {name}"
        "<extra></extra>",
        "meta": "",
    }
    if len(classes) <= FEW_CLASSES:
        trace |= {"texttemplate": "%{z:.0f}", "textfont": {"size": 10, "color": "var(--text)"}}
    x_axis, y_axis = named_axis(classes), named_axis(classes, downwards=True)
    if len(classes) > MANY_CLASSES:
        x_axis, y_axis = ({key: value for key, value in axis.items() if "tick" not in key} for axis in (x_axis, y_axis))
        x_axis, y_axis = x_axis | {"showticklabels": False}, y_axis | {"showticklabels": False}
    layout = {
        "xaxis": {**x_axis, "title": {"text": "prediction"}, "showgrid": False, "tickangle": -45},
        "yaxis": {**y_axis, "title": {"text": "label"}},
    }
    return {"name": name, "data": [trace], "layout": layout}


def reliability(calibration: np.ndarray) -> Chart:
    """Chart how often predictions of each confidence are right, from counts ``(3, bins)``, and how many there are."""
    pixels, right, confidence = calibration.astype(float)
    bins = len(pixels)
    used = pixels > 0
    shares = pixels[used] / max(pixels.sum(), 1)
    diagonal = {
        "x": [0, 100],
        "y": [0, 100],
        "mode": "lines",
        "line": {"color": "var(--faint)", "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
        "meta": "",
    }
    points = {
        "x": (100 * confidence[used] / UNITS / pixels[used]).round(2).tolist(),
        "y": (100 * right[used] / pixels[used]).round(2).tolist(),
        "mode": "lines+markers",
        "line": {"color": COLOUR, "width": 2},
        "marker": {"color": COLOUR, "size": (6 + 22 * np.sqrt(shares)).round(1).tolist(), "line": RIM, "opacity": 1},
        "customdata": (100 * shares).round(2).tolist(),
        "hovertemplate": "sure of %{x:.1f}%, right %{y:.1f}%<br>%{customdata:.1f}% of the pixels<extra></extra>",
        "cliponaxis": False,
        "meta": "",
    }
    axis = {"range": [0, 100], "ticksuffix": "%"}
    layout = {
        "xaxis": {**axis, "title": {"text": "mean probability of the predicted class"}},
        "yaxis": {**axis, "title": {"text": "right pixels"}},
    }
    bars = {
        "type": "bar",
        "x": (100 * (np.arange(bins) + 0.5) / bins).round(2).tolist(),
        "y": (100 * pixels / max(pixels.sum(), 1)).round(3).tolist(),
        "marker": {"color": COLOUR},
        "hovertemplate": "%{y:.1f}% of the pixels<extra></extra>",
        "meta": "",
    }
    spread = {
        "xaxis": {**axis, "title": {"text": "probability of the predicted class"}},
        "yaxis": {"title": {"text": "share of the pixels"}, "ticksuffix": "%"},
        "bargap": 0.08,
    }
    views: list[View] = [
        {"name": "right, by confidence", "data": [diagonal, points], "layout": layout},
        {"name": "how sure it is", "data": [bars], "layout": spread},
    ]
    return {"key": "reliability", "label": "Reliability", "views": views, "height": 380}


def trimap(collected: Collected) -> Chart:
    """Chart mIoU and accuracy in bands around the boundaries against the width of the band."""
    curve = collected.images.trimap_curve()
    widths = curve["width"].tolist()
    views: list[View] = []
    for key, name in (("miou", "mIoU"), ("pixel_accuracy", "pixel accuracy")):
        values = [None if np.isnan(value) else round(100 * float(value), 2) for value in curve[key]]
        line = {
            "x": widths,
            "y": values,
            "mode": "lines+markers",
            "line": {"color": COLOUR, "width": 2},
            "marker": {"size": 8, "color": COLOUR, "line": RIM},
            "hovertemplate": "up to %{x} pixels away: %{y:.1f}<extra></extra>",
            "meta": "",
        }
        x_axis = {"title": {"text": "half the width of the band, pixels"}, "type": "log"}
        x_axis |= {"tickvals": widths, "ticktext": [str(width) for width in widths]}
        layout = {"xaxis": x_axis, "yaxis": {"title": {"text": f"{name} in the band"}}}
        views.append({"name": name, "data": [line], "layout": layout})
    return {"key": "trimap", "label": "Near boundaries", "views": views, "height": 340}


def images(collected: Collected) -> Chart:
    """Chart each image's own mIoU in the order of the split, a colour for each group where these are few."""
    mious, groups = 100 * collected.image_mious(), collected.images.groups
    names = list(dict.fromkeys(groups.tolist()))
    traces: list[PlotlyValues] = []
    coloured = [(name, groups == name) for name in names]
    if len(names) > COLOURED_GROUPS:
        coloured = [("", np.full(len(groups), True))]
    for place, (group, members) in enumerate(coloured):
        chosen = np.flatnonzero(members & ~np.isnan(mious))
        shown = {"name": escape(group)} if len(coloured) > 1 else {}
        traces.append(
            {
                **shown,
                "x": (chosen + 1).tolist(),
                "y": mious[chosen].round(2).tolist(),
                "mode": "markers",
                "marker": {"color": f"var(--arm-{(place + 1) % 8})", "size": 7, "line": RIM},
                "text": [escape(str(name)) for name in collected.images.names[chosen]],
                "hovertemplate": "%{text}: %{y:.1f}<extra></extra>",
                "meta": "",
            }
        )
    layout = {
        "xaxis": {"title": {"text": "place in the split"}},
        "yaxis": {"title": {"text": "the image's own mIoU"}},
        "showlegend": len(traces) > 1,
    }
    views: list[View] = [{"name": "mIoU", "data": traces, "layout": layout}]
    return {"key": "images", "label": "Image by image", "views": views, "height": 380}
