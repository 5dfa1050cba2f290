"""The charts of a data set, as plain data and layouts for Plotly."""

from collections.abc import Sequence

import numpy as np

from segnet.analysis.ceiling import Ceiling
from segnet.data import DataModule
from segnet.description.describe import Description
from segnet.description.measure import class_shares, class_sizes
from segnet.pages.charts import RIM, Chart, PlotlyValues, View, escape, named_axis

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")


def frequencies(description: Description, data: DataModule) -> Chart:
    """Chart the share of each class in each split."""
    views: list[View] = []
    splits = {name: 100 * class_shares(split) for name, split in description.splits.items()}
    order = np.argsort(-splits["train"], kind="stable")
    for scale, name in (("log", "logarithmic"), ("linear", "linear")):
        traces: list[PlotlyValues] = []
        for place, (split, shares) in enumerate(splits.items()):
            traces.append(
                {
                    "name": split,
                    "x": [round(float(shares[index]), 4) or None for index in order],
                    "y": (np.arange(len(order)) + 0.18 * (place - (len(splits) - 1) / 2)).tolist(),
                    "mode": "markers",
                    "marker": {"color": f"var(--arm-{place + 1})", "size": 9, "symbol": SYMBOLS[place], "line": RIM},
                    "text": [escape(data.classes[index]) for index in order],
                    "hovertemplate": f"%{{text}}, {split}: %{{x:.2f}}%<extra></extra>",
                    "meta": "",
                }
            )
        x_axis = {"title": {"text": "share of the scored pixels"}, "ticksuffix": "%", "type": scale}
        y_axis = named_axis([data.classes[index] for index in order], downwards=True)
        views.append({"name": name, "data": traces, "layout": {"xaxis": x_axis, "yaxis": y_axis, "showlegend": True}})
    height = 130 + 26 * len(order)
    return {"key": "frequencies", "label": "Class frequencies", "views": views, "height": height}


def components(description: Description, data: DataModule) -> Chart:
    """Chart the areas of connected components: from the 10th to the 90th percentile, and the median."""
    found = {name: class_sizes(description.splits["train"], place) for place, name in enumerate(data.classes)}
    known = sorted(((name, sizes) for name, sizes in found.items() if sizes), key=lambda pair: -pair[1].median)
    medians = [100 * sizes.median for _, sizes in known]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [100 * sizes.high - median for (_, sizes), median in zip(known, medians, strict=True)],
        "arrayminus": [median - 100 * sizes.low for (_, sizes), median in zip(known, medians, strict=True)],
        "color": "var(--arm-1)",
        "thickness": 2,
        "width": 0,
    }
    trace = {
        "x": medians,
        "y": list(range(len(known))),
        "mode": "markers",
        "marker": {"color": "var(--arm-1)", "size": 9, "line": RIM},
        "error_x": bars,
        "text": [escape(name) for name, _ in known],
        "hovertemplate": "%{text}: median %{x:.3f}% of the image<extra></extra>",
        "meta": "",
    }
    layout = {
        "xaxis": {"title": {"text": "area of a part, % of the image"}, "type": "log", "ticksuffix": "%"},
        "yaxis": named_axis([name for name, _ in known], downwards=True),
    }
    views: list[View] = [{"name": "area", "data": [trace], "layout": layout}]
    return {"key": "components", "label": "Sizes of parts", "views": views, "height": 110 + 26 * len(known)}


def image_sizes(description: Description) -> Chart | None:
    """Chart height against width, where they differ."""
    sizes = np.concatenate([split.sizes for split in description.splits.values()])
    if (sizes == sizes[0]).all():
        return None
    traces: list[PlotlyValues] = []
    for place, (name, split) in enumerate(description.splits.items()):
        sizes, counts = np.unique(split.sizes, axis=0, return_counts=True)
        traces.append(
            {
                "name": name,
                "x": sizes[:, 1].tolist(),
                "y": sizes[:, 0].tolist(),
                "mode": "markers",
                "marker": {
                    "color": f"var(--arm-{place + 1})",
                    "size": (6 + 18 * np.sqrt(counts / counts.max())).round(1).tolist(),
                    "symbol": SYMBOLS[place],
                    "line": RIM,
                },
                "customdata": counts.tolist(),
                "hovertemplate": f"{name}: %{{x}}x%{{y}}, %{{customdata}} images<extra></extra>",
                "meta": "",
            }
        )
    layout = {
        "xaxis": {"title": {"text": "width, pixels"}},
        "yaxis": {"title": {"text": "height, pixels"}},
        "showlegend": True,
    }
    views: list[View] = [{"name": "sizes", "data": traces, "layout": layout}]
    return {"key": "sizes", "label": "Sizes of images", "views": views, "height": 380}


def ceilings(rows: Sequence[Ceiling]) -> Chart | None:
    """Chart what labels score that are brought down and up again, a line for each upsampler."""
    if not rows:
        return None
    names = list(dict.fromkeys(row.upsampler for row in rows))
    strides = sorted({row.stride for row in rows})
    views: list[View] = []
    for key, title in (("miou", "mIoU"), ("boundary_f1", "boundary F1")):
        traces: list[PlotlyValues] = []
        for place, name in enumerate(names):
            of_name = [row for row in rows if row.upsampler == name]
            values = [getattr(row, key) for row in of_name]
            traces.append(
                {
                    "name": escape(name),
                    "x": [row.stride for row in of_name],
                    "y": [None if np.isnan(value) else round(100 * value, 2) for value in values],
                    "mode": "lines+markers",
                    "line": {
                        "color": f"var(--arm-{place % 8})",
                        "width": 2,
                        "dash": "dot" if " + " in name else "solid",
                    },
                    "marker": {"size": 8, "symbol": SYMBOLS[place % len(SYMBOLS)]},
                    "hovertemplate": f"{escape(name)}, stride %{{x}}: %{{y:.1f}}<extra></extra>",
                    "meta": "",
                }
            )
        x_axis: PlotlyValues = {"title": {"text": "output stride"}, "type": "log", "tickvals": strides}
        x_axis["ticktext"] = [str(stride) for stride in strides]
        layout = {"xaxis": x_axis, "yaxis": {"title": {"text": title}}, "showlegend": True}
        views.append({"name": title, "data": traces, "layout": layout})
    return {"key": "ceilings", "label": "The ceiling of each upsampler", "views": views, "height": 440}
