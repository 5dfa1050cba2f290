"""The figure of one network's profile, or of several side by side."""

import io
from typing import TYPE_CHECKING

import numpy as np

from segnet.analysis.profile import Profile
from segnet.analysis.profile_tables import comparison_rows, field_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_profiles(profiles: list[Profile]) -> bytes:
    """Draw cost by stage and the effective field of one profile, or the ratios of several; return the figure as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(profiles)
    figure = Figure(figsize=(11, 4) if count == 1 else (3 + 2.6 * max(2, count), 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    if count == 1:
        macs, memory, field = figure.subplots(1, 3)
        _draw_stage_costs(macs, memory, profiles[0])
        draw_effective_field(field, profiles[0])
    else:
        grid = figure.add_gridspec(2, count, height_ratios=(1.2, 1))
        _draw_ratios(figure.add_subplot(grid[0, :]), profiles)
        for column, profile in enumerate(profiles):
            axis = figure.add_subplot(grid[1, column])
            draw_effective_field(axis, profile)
            axis.set_xlabel(profile.name, fontsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return picture.getvalue()


def draw_effective_field(axis: "Axes", profile: Profile) -> None:
    """Draw the energy map around the pixel, the theoretical box, and the area that holds most of the energy."""
    from matplotlib.patches import Rectangle

    effective, field = profile.effective, profile.fields[-1]
    energy = effective.energy.numpy()
    row, column = effective.pixel
    # Amplitudes: the energy itself is a dot.
    axis.imshow(np.sqrt(energy), cmap="magma", interpolation="nearest")
    if effective.area:
        axis.contour(energy >= effective.level, levels=[0.5], colors="cyan", linewidths=0.6)
    top, bottom, left, right = (*field.rows, *field.columns)
    if field.height is not None and field.width is not None:
        corner = (column + left - 0.5, row + top - 0.5)
        box = Rectangle(corner, right - left + 1, bottom - top + 1, fill=False, edgecolor="white", linewidth=1)
        axis.add_patch(box)
        margin = 4
        height, width = energy.shape
        axis.set_xlim(max(-0.5, column + left - margin), min(width - 0.5, column + right + margin))
        axis.set_ylim(min(height - 0.5, row + bottom + margin), max(-0.5, row + top - margin))
    axis.set_title(f"field {field_text(field)}, {effective.share:.0%} in {effective.area:,} px", fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])


def _draw_stage_costs(macs: "Axes", memory: "Axes", profile: Profile) -> None:
    names = [stage.name for stage in profile.stages]
    bars = macs.barh(names, [stage.macs / 1e6 for stage in profile.stages], color="#0072b2")
    macs.bar_label(bars, labels=[f"{stage.macs / 1e6:,.4g}" for stage in profile.stages], fontsize=7, padding=2)
    macs.set_xlabel("million multiply-accumulates")
    activations = [stage.activation_bytes / 2**20 for stage in profile.stages]
    indices = [stage.index_bytes / 2**20 for stage in profile.stages]
    memory.barh(names, activations, color="#009e73", label="activations")
    bars = memory.barh(names, indices, left=activations, color="#e69f00", label="pool indices")
    totals = [f"{sum(pair):,.3g}" for pair in zip(activations, indices, strict=True)]
    memory.bar_label(bars, labels=totals, fontsize=7, padding=2)
    # The empty bars of stages without pool indices would hold the margin at their left end.
    memory.set_xlim(0, 1.14 * max(map(sum, zip(activations, indices, strict=True))))
    memory.set_xlabel("MiB kept for the backward pass")
    memory.legend(fontsize=8, frameon=False)
    macs.margins(x=0.14)  # room for the values
    for axis in (macs, memory):
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
    memory.set_yticklabels([])


def _draw_ratios(axis: "Axes", profiles: list[Profile]) -> None:
    rows = [(label, values) for label, values, _ in comparison_rows(profiles) if values[0]]
    positions = np.arange(len(rows))
    width = 0.8 / len(profiles)
    for index, profile in enumerate(profiles):
        ratios = [values[index] / values[0] for _, values in rows]
        bars = axis.bar(positions + (index - (len(profiles) - 1) / 2) * width, ratios, width, label=profile.name)
        axis.bar_label(bars, fmt="%.2f", fontsize=7)
    axis.set_xticks(positions, [label for label, _ in rows])
    axis.set_ylabel(f"times {profiles[0].name}", fontsize=8)
    axis.axhline(1, color="grey", linewidth=0.5)
    axis.margins(y=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=8, frameon=False, ncols=len(profiles), loc="lower center", bbox_to_anchor=(0.5, 1))
