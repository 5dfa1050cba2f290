"""The tables of one network's profile, or of several side by side, for a command to print."""

from collections.abc import Callable

from rich.table import Table

from segnet.analysis.cost import StageCost
from segnet.analysis.profile import Profile
from segnet.analysis.receptive_field import ReceptiveField
from segnet.number_format import format_bytes, format_count, format_milliseconds

DASH = "-"


def stage_table(profile: Profile, setting: str, modules: bool) -> Table:
    """Set out one network stage by stage.

    Args:
        profile: of the network.
        setting: one line that says what the figures hold for.
        modules: list the modules of each stage too.
    """
    table = Table(title=f"{profile.name}: {setting}")
    table.add_column("stage")
    for column in ("output", "stride", "parameters", "MACs", "activations", "indices", "field"):
        table.add_column(column, justify="right", no_wrap=True)
    fields = {field.stage: field for field in profile.fields}
    for stage in profile.stages:
        table.add_row(*_stage_row(stage, fields.get(stage.name)))
        for module in stage.modules if modules else ():
            size = _map_size(module.size)
            costs = (format_count(module.parameters), format_count(module.macs))
            table.add_row(f"  {module.name} ({module.class_name})", size, "", *costs, "", "", "", style="dim")
    totals = profile.totals
    table.add_section()
    costs = (format_count(totals["parameters"]), format_count(totals["macs"]))
    memory = (format_bytes(totals["activation_bytes"]), format_bytes(totals["index_bytes"]))
    table.add_row("total", "", "", *costs, *memory, field_text(profile.fields[-1]))
    return table


def notes(profile: Profile) -> list[str]:
    """Say what one network's table has no column for: exact forms, times, the effective field, checkerboards."""
    lines = [f"exact form in {stage.name}: {'; '.join(stage.forms)}" for stage in profile.stages if stage.forms]
    macs = profile.totals["macs"]
    if profile.plain_macs is not None:
        ratio = f"{profile.plain_macs / macs:.2f} times what runs" if macs else "none run"
        lines.append(f"plain form: {format_count(profile.plain_macs)} MACs, {ratio}")
    for name, latency in profile.latencies.items():
        quartiles = f"quartiles {format_milliseconds(latency.low)} to {format_milliseconds(latency.high)}"
        lines.append(f"{name}: {format_milliseconds(latency.median)} ({quartiles}, {latency.repeats} calls)")
    effective = profile.effective
    lines.append(f"{effective.share:.0%} of the centre pixel's gradient energy lies in {effective.area:,} pixels")
    lines.append("checkerboard: " + ", ".join(f"{key} {value:.3f}" for key, value in profile.checkerboard.items()))
    return lines


def comparison_table(profiles: list[Profile], setting: str) -> Table:
    """Set out several networks side by side, each with its ratio to the first."""
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
    return table


def comparison_rows(profiles: list[Profile]) -> list[tuple[str, list[float], Callable[[float], str]]]:
    """List the costs to compare: label, one value per profile, and how to write it."""
    totals = [profile.totals for profile in profiles]
    rows: list[tuple[str, list[float], Callable[[float], str]]] = [
        ("parameters", [total["parameters"] for total in totals], format_count),
        ("MACs", [total["macs"] for total in totals], format_count),
        ("activations", [total["activation_bytes"] for total in totals], format_bytes),
        ("pool indices", [total["index_bytes"] for total in totals], format_bytes),
    ]
    names = list(profiles[0].latencies)
    medians = [[profile.latencies[name].median for profile in profiles] for name in names]
    return [*rows, *((name, values, format_milliseconds) for name, values in zip(names, medians, strict=True))]


def field_text(field: ReceptiveField | None) -> str:
    """Show a field as height x width in pixels; "+ mean" where a global pooling adds the whole image's mean."""
    if field is None:
        return ""
    extents = ["whole image" if extent is None else str(extent) for extent in (field.height, field.width)]
    return "x".join(dict.fromkeys(extents) if None in (field.height, field.width) else extents) + (
        " + mean" if field.whole_image else ""
    )


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


def _with_ratio(value: float, first: float, show: Callable[[float], str]) -> str:
    return show(value) + (f" ({value / first:.2f})" if first else "")
