"""Tables and figures of network profiles."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from segnet.analysis.cost import StageCost
from segnet.analysis.profile import Profile
from segnet.analysis.receptive_field import ReceptiveField
from segnet.number_format import format_bytes, format_count, format_milliseconds

DASH = "-"


def print_profile(profile: Profile, setting: str, modules: bool, console: Console | None = None) -> None:
    """Print one network stage by stage.

    Args:
        profile: of the network.
        setting: one line that says what the figures hold for.
        modules: list the modules of each stage too.
        console: where to; None: the terminal.
    """
    console = console or wide_console()
    table = Table(title=f"{profile.name}: {setting}")
    table.add_column("stage")
    for column in ("output", "stride", "parameters", "MACs", "activations", "indices", "field"):
        table.add_column(column, justify="right", no_wrap=True)
    fields = {field.stage: field for field in profile.fields}
    for stage in profile.stages:
        table.add_row(*_stage_row(stage, fields.get(stage.name)))
        for module in stage.modules if modules else ():
            cells = (
                "",
                _map_size(module.size),
                "",
                format_count(module.parameters),
                format_count(module.macs),
                "",
                "",
                "",
            )
            table.add_row(f"  {module.name} ({module.kind})", *cells[1:], style="dim")
    totals = profile.totals
    table.add_section()
    memory = (format_bytes(totals["activation_bytes"]), format_bytes(totals["index_bytes"]))
    field = field_text(profile.fields[-1])
    table.add_row("total", "", "", format_count(totals["parameters"]), format_count(totals["macs"]), *memory, field)
    console.print(table)
    for stage in profile.stages:
        if stage.forms:
            console.print(f"exact form in {stage.name}: {'; '.join(stage.forms)}", highlight=False)
    if profile.plain_macs is not None:
        ratio = f"{profile.plain_macs / totals['macs']:.2f} times what runs" if totals["macs"] else "none run"
        console.print(f"plain form: {format_count(profile.plain_macs)} MACs, {ratio}")
    for name, latency in profile.latencies.items():
        spread = f"quartiles {latency.low:.1f} to {latency.high:.1f}, {latency.repeats} calls"
        console.print(f"{name}: {latency.median:.1f} ms ({spread})")
    effective = profile.effective
    console.print(f"{effective.share:.0%} of the centre pixel's gradient energy lies in {effective.area:,} pixels")
    console.print("checkerboard: " + ", ".join(f"{key} {value:.3f}" for key, value in profile.checkerboard.items()))


def print_comparison(profiles: list[Profile], setting: str, console: Console | None = None) -> None:
    """Print several networks side by side, with each one's ratio to the first."""
    console = console or wide_console()
    table = Table(title=setting, caption="in brackets: times the first", caption_justify="left")
    table.add_column("")
    for profile in profiles:
        table.add_column(profile.name, justify="right")
    for label, values, show in comparison_rows(profiles):
        table.add_row(label, *(_with_ratio(value, values[0], show) for value in values))
    table.add_section()
    table.add_row("receptive field", *(field_text(profile.fields[-1]) for profile in profiles))
    table.add_row(
        f"{profiles[0].effective.share:.0%} of gradient energy in, pixels",
        *(f"{profile.effective.area:,}" for profile in profiles),
    )
    for key in profiles[0].checkerboard:
        table.add_row(key, *(f"{profile.checkerboard[key]:.3f}" for profile in profiles))
    console.print(table)


def comparison_rows(profiles: list[Profile]) -> list[tuple[str, list[float], Any]]:
    """List the costs to compare: label, one value a profile, and how to show one."""
    rows: list[tuple[str, list[float], Any]] = [
        ("parameters", [profile.totals["parameters"] for profile in profiles], format_count),
        ("MACs", [profile.totals["macs"] for profile in profiles], format_count),
        ("activations", [profile.totals["activation_bytes"] for profile in profiles], format_bytes),
        ("pool indices", [profile.totals["index_bytes"] for profile in profiles], format_bytes),
    ]
    times = [
        (name, [profile.latencies[name].median for profile in profiles], format_milliseconds)
        for name in profiles[0].latencies
    ]
    return rows + times


def field_text(field: ReceptiveField | None) -> str:
    """Show a field as height x width in pixels; "+ mean" where a global pooling adds the whole image's mean."""
    if field is None:
        return ""
    extents = ["whole image" if extent is None else str(extent) for extent in (field.height, field.width)]
    return "x".join(dict.fromkeys(extents) if None in (field.height, field.width) else extents) + (
        " + mean" if field.whole_image else ""
    )


def save_profile_figure(path: Path, profiles: list[Profile]) -> None:
    """Draw cost by stage and the effective field of one profile, or the ratios of several, and save it whole."""
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
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    figure.savefig(beside, format="png", dpi=100)
    beside.replace(path)


def draw_effective_field(axis: Any, profile: Profile) -> None:
    """Draw the energy map around the pixel, the theoretical box, and the area that holds most of the energy."""
    import numpy as np
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


def wide_console() -> Console:
    """Return a console that cuts no table off where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def _draw_stage_costs(macs: Any, memory: Any, profile: Profile) -> None:
    names = [stage.name for stage in profile.stages]
    macs.barh(names, [stage.macs / 1e6 for stage in profile.stages], color="#0072b2")
    macs.set_xlabel("million multiply-accumulates")
    activations = [stage.activation_bytes / 2**20 for stage in profile.stages]
    indices = [stage.index_bytes / 2**20 for stage in profile.stages]
    memory.barh(names, activations, color="#009e73", label="activations")
    memory.barh(names, indices, left=activations, color="#e69f00", label="pool indices")
    memory.set_xlabel("MiB kept for the backward pass")
    memory.legend(fontsize=8, frameon=False)
    for axis in (macs, memory):
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
    memory.set_yticklabels([])


def _draw_ratios(axis: Any, profiles: list[Profile]) -> None:
    import numpy as np

    rows = [(label, values) for label, values, _ in comparison_rows(profiles) if values[0]]
    places = np.arange(len(rows))
    width = 0.8 / len(profiles)
    for index, profile in enumerate(profiles):
        ratios = [values[index] / values[0] for _, values in rows]
        bars = axis.bar(places + (index - (len(profiles) - 1) / 2) * width, ratios, width, label=profile.name)
        axis.bar_label(bars, fmt="%.2f", fontsize=7)
    axis.set_xticks(places, [label for label, _ in rows])
    axis.set_ylabel(f"times {profiles[0].name}", fontsize=8)
    axis.axhline(1, color="grey", linewidth=0.5)
    axis.margins(y=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=8, frameon=False, ncols=len(profiles), loc="lower center", bbox_to_anchor=(0.5, 1))


def _stage_row(stage: StageCost, field: ReceptiveField | None) -> tuple[str, ...]:
    output = DASH if stage.size is None else f"{stage.channels}x{stage.size[0]}x{stage.size[1]}"
    return (
        stage.name,
        output,
        DASH if stage.stride is None else str(stage.stride),
        format_count(stage.parameters),
        format_count(stage.macs),
        format_bytes(stage.activation_bytes),
        format_bytes(stage.index_bytes),
        field_text(field),
    )


def _map_size(size: tuple[int, int] | None) -> str:
    return DASH if size is None else f"{size[0]}x{size[1]}"


def _with_ratio(value: float, first: float, show: Any) -> str:
    return show(value) + (f" ({value / first:.2f})" if first else "")
